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
# By whether the point is the incoming model's.
CURVATURE = {
    closing: f"second derivatives of the log-likelihood (X'WX) at {coefficients}: sums of products of two columns, "
    "each row by the variance of its predicted outcome"
    for closing, coefficients in ((False, "coefficients that this silo chose"), (True, "the coefficients received"))
}
RHS = (
    "the right-hand side (X'Wz) of the weighted least squares whose matrix is 'curvature': both together nearly give "
    "the coefficients of this silo alone"
)
VALUES = "minus the log-likelihood, up to a constant, at the coefficients received"
GRADIENTS = "first derivatives of 'values': sums of products of the column with the residuals"
CANDIDATE = "second derivatives as in 'curvature', at the second of the points received"
