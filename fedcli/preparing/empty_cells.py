"""Levels that lack a class in the whole pool: known from trip 1's sums, and with no finite coefficient.

Owns that refusal. Knows nothing of solvers, files or silos. Internal.

Products of the columns hold how many rows each level has, and the sums by outcome how many of each class. Where a class
has none in a level, its coefficient there leads down without end, and only that level's rows take part. A penalty
stops it. So without one the study ends in trip 1, where the steps of a solver would take several to say the same.
"""

from __future__ import annotations

import numpy as np

from fedcli.errors import Separation
from fedcli.fileformat.statistics import FloatArray, Total, unpack_upper
from fedcli.models.cavity import Cavity
from fedcli.models.losses import Logistic
from fedcli.models.softmax import Softmax
from fedcli.preparing.columns import Columns

# Share of all weight by which rounding may leave something of rows that are not there.
_NOTHING = 1e-9


def refuse_empty_cells(columns: Columns, family: Cavity, classes: tuple[str, ...], total: Total) -> None:
    """Refuse a likelihood of classes without a penalty in which a level has no row of one of them.

    Parameters
    ----------
    columns : Columns
    family : Cavity
    classes : tuple of str
        What each class is called, in the order of the loss.
    total : Total
        Of trip 1.

    Raises
    ------
    Separation
    """
    if family.penalty.ridge or family.penalty.lasso or not isinstance(family.loss, Logistic | Softmax):
        return
    counts = _by_class(family, total)
    weight = float(counts[:, 0].sum())
    for (name, column), places in ((each, columns.dummies_of.get(each[0], ())) for each in columns.categories):
        # What trip 1 imputes is not what the fit will.
        if not places or column.impute is not None:
            continue
        own = counts[:, list(places)]
        # The first level has no coefficient: the intercept is its own, where there is one.
        first = counts[:, :1] - own.sum(axis=1, keepdims=True) if family.fit_intercept else np.empty((len(counts), 0))
        levels = column.levels if family.fit_intercept else column.levels[1:]
        for level, of_class in zip(levels, np.hstack([first, own]).T, strict=True):
            missing = [known for known, size in zip(classes, of_class, strict=True) if size <= _NOTHING * weight]
            if missing and of_class.sum() > _NOTHING * weight:
                raise Separation(
                    f"no row of any silo with {name} '{level}' has the outcome {' or '.join(missing)}: column '{name}' "
                    "has no finite coefficients",
                    hint="add a penalty (C), merge the level with another, or leave the column out, in a new study",
                )


def _by_class(family: Cavity, total: Total) -> FloatArray:
    """Return the sum of each column over the rows of each class (n_classes, n_columns), the intercept first."""
    if isinstance(family.loss, Softmax):
        return np.asarray(total["class_sums"].reshape(family.loss.n_classes, -1))
    half = unpack_upper(total["products"])[0] / 2.0
    return np.array([half - total["contrast"], half + total["contrast"]])
