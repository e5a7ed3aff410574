"""What the sums of a likelihood's expansion are, in words of statistics.

Owns the sentences: whoever must agree that the numbers leave reads them, and knows generalised linear models, not this
program. Knows nothing of arrays or layouts. Internal.
"""

from __future__ import annotations

# By whether the outcome is yes or no.
TARGET = {
    True: "how many rows there are, and how many of them are positive",
    False: "how many rows there are, and the sum of the outcome",
}
PRODUCTS = (
    "for each pair of columns, and each with itself, the sum of their product; of two levels, a cell of their cross "
    "table"
)
CONTRAST = "half of what the column's sum over positive rows is above that over negative rows"
CLASS_SUMS = "each column's sum over the rows of one class"
TARGET_OF_CLASSES = "how many rows there are, and how many of them are of each class"
ROWS = "how many rows there are"
_AT = {False: "coefficients that this silo chose", True: "the coefficients received"}
_EACH = {
    True: "second derivatives of the log-likelihood (X'WX) at {}: sums of products of two columns, each row by the "
    "variance of its predicted outcome",
    False: "second derivatives of the sum of the rows' losses (X'WX) at {}: sums of products of two columns, each row "
    "by the second derivative of its own loss",
}
# By whether the loss is a likelihood with its natural link, then by whether the point is the incoming model's.
CURVATURE = {(natural, closing): _EACH[natural].format(_AT[closing]) for natural in _EACH for closing in _AT}
CURVATURE_OF_PAIRS = (
    f"for each pair of classes second derivatives of the log-likelihood (X'WX) at {_AT[False]}: sums of products of "
    "two columns, each row by the product of its predicted probabilities of both; pairs that few rows lie between "
    "share theirs with others"
)
RHS = (
    "the right-hand side (X'Wz) of the weighted least squares whose matrix is 'curvature': both together nearly give "
    "the coefficients of this silo alone"
)
EXTRAS = "each parameter beside the coefficients as this silo's own fit has it, times the number of its rows"
VALUES = {
    True: "minus the log-likelihood, up to a constant, at the coefficients received",
    False: "the sum of the rows' losses, up to a constant, at the coefficients received",
}
GRADIENTS = {
    True: "first derivatives of 'values': sums of products of the column with the residuals",
    False: "first derivatives of 'values': sums of products of the column with the derivatives of the rows' losses",
}
GRADIENTS_OF_CLASSES = "first derivatives of 'values': sums of products of the column with the residuals of each class"
CANDIDATE = "second derivatives as in 'curvature', at the second of the points received"
