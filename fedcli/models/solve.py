"""Solving symmetric systems at the coordinator and inside a silo.

Owns the choice between Cholesky and the minimum-norm solution. Knows nothing of models. Internal.
"""

from __future__ import annotations

import numpy as np

from fedcli.fileformat.statistics import FloatArray

# Directions whose eigenvalue is below this share of the largest carry no information: columns that copy each other
# leave them at rounding level (about n_columns * eps), while the worst real designs met so far stay above 1e-12.
RANK_TOLERANCE = 1e-13


def solve_symmetric(matrix: FloatArray, rhs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Solve ``matrix @ x = rhs`` for a symmetric positive semi-definite matrix.

    The matrix is brought to unit diagonal first, so that columns of different spread do not pass for collinear.
    A singular system gets its minimum-norm solution, which is what scikit-learn's least squares returns; a small ridge
    instead would leave a bias of its own size.

    Parameters
    ----------
    matrix : ndarray of shape (n, n)
    rhs : ndarray of shape (n,) or (n, k)

    Returns
    -------
    x : ndarray of the shape of ``rhs``
    null : ndarray of shape (n, n_null)
        A basis of the directions that the matrix does not determine; n_null is 0 for a regular one.
    """
    n = matrix.shape[0]
    diagonal = np.diagonal(matrix)
    scale = np.where(diagonal > 0, 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 1.0)
    scaled = matrix * scale[:, None] * scale[None, :]
    values, vectors = np.linalg.eigh(scaled)
    keep = values > RANK_TOLERANCE * max(float(values[-1]), np.finfo(float).tiny) * n
    if keep.all():
        factor = np.linalg.cholesky(scaled)
        right = (rhs.T * scale).T
        x = np.linalg.solve(factor.T, np.linalg.solve(factor, right))
        # One step of refinement: the products below are exact to rounding, the factor is not.
        x = x + np.linalg.solve(factor.T, np.linalg.solve(factor, right - scaled @ x))
        return (x.T * scale).T, np.empty((n, 0))
    # Minimum norm in the caller's own coordinates, not in the scaled ones: project the null space away at the end.
    inverse = vectors[:, keep] / values[keep] @ vectors[:, keep].T
    x = ((inverse @ (rhs.T * scale).T).T * scale).T
    null, _ = np.linalg.qr(scale[:, None] * vectors[:, ~keep])
    return x - null @ (null.T @ x), null
