"""The target on the reference scale, and predictions back on its own.

Owns the one linear map of a number target. Knows nothing of features, files or solvers. Internal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedcli.fileformat.statistics import FloatArray
from fedcli.study.document import NumberTarget, Study


@dataclass(frozen=True)
class TargetScale:
    """``y = middle + half * y_reference``; the identity for binary and count targets."""

    middle: float = 0.0
    half: float = 1.0

    @classmethod
    def of(cls, study: Study) -> TargetScale:
        """Return the scale that the study's range gives."""
        if isinstance(study.target, NumberTarget):
            low, high = study.target.range
            if study.model.params.get("fit_intercept") is False:
                # Without an intercept 0 must stay 0, or the fit would be another one.
                return cls(0.0, max(abs(low), abs(high)))
            return cls((low + high) / 2, (high - low) / 2)
        return cls()

    def reference(self, y: FloatArray) -> FloatArray:
        """Return the target on the reference scale."""
        return np.asarray((y - self.middle) / self.half)

    def original(self, coef: FloatArray) -> FloatArray:
        """Carry coefficients (..., n_columns), intercept first, to predictions in the target's own unit."""
        coef = coef * self.half
        coef[..., 0] += self.middle
        return coef
