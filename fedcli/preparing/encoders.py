"""What prepares columns, as a result of its own: scikit-learn's ``OneHotEncoder`` and ``SimpleImputer``.

Owns what they read from pooled counts and sums, and which studies suit them. Knows nothing of files or silos. Internal.

Levels stand in the state as places among the agreed ones; `report` spells them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedcli.errors import ContradictoryStudy, SingularHessian
from fedcli.fileformat.statistics import FloatArray
from fedcli.models.closed import FITTED
from fedcli.models.registry import Parameters, check_intercept, check_one_of, check_optional
from fedcli.preparing.by_column import ColumnEstimator, Pooled, refuse_other_columns, refuse_standardised
from fedcli.preparing.columns import Columns
from fedcli.study.document import Number

# What the columns of a study must say beside each strategy.
_SAYS = {"mean": "mean", "median": "median", "most_frequent": "mode"}


@dataclass(frozen=True)
class Encoder:
    """`sklearn.preprocessing.OneHotEncoder`: how many rows have each level decides everything else.

    Parameters
    ----------
    agreed : bool
        Whether the agreed levels are its categories, in their order; else those that occur, sorted.
    """

    agreed: bool

    def fit(self, pooled: Pooled) -> Mapping[str, FloatArray]:
        """See `ColumnForm.fit`."""
        found: dict[str, FloatArray] = {}
        for number, counts in enumerate(pooled.levels()):
            places = np.arange(len(counts)) if self.agreed else np.flatnonzero(counts)
            found[f"{FITTED}categories.{number}"] = places.astype(np.float64)
            found[f"{FITTED}counts.{number}"] = counts[places].astype(np.float64)
        return found


@dataclass(frozen=True)
class Imputer:
    """`sklearn.impute.SimpleImputer`.

    Parameters
    ----------
    columns : Columns
    """

    columns: Columns

    def fit(self, pooled: Pooled) -> Mapping[str, FloatArray]:
        """See `ColumnForm.fit`: of medians the bounds too.

        Raises
        ------
        SingularHessian
            A column has no value in any row.
        """
        columns, n = self.columns, len(self.columns.numbers)
        agreed = [column.fill is not None for _, column in (*columns.numbers, *columns.categories)]
        for at in np.flatnonzero(pooled.present() == 0).tolist():
            if not agreed[at]:
                name = (*columns.numbers, *columns.categories)[at][0]
                raise SingularHessian(
                    f"'{name}' has no value in any row of any silo, so that nothing is known to fill it with",
                    hint=f"leave '{name}' out, or agree on a constant, in a new study",
                )
        if not n:
            return {f"{FITTED}statistics": np.array(pooled.modes, dtype=np.float64)}
        found = {f"{FITTED}statistics": pooled.fill * columns.half + columns.middle}
        medians = [pooled.median(j) for j, (_, column) in enumerate(columns.numbers) if column.impute == "median"]
        if medians:
            found[f"{FITTED}statistics_lower"] = np.array([m.lower for m in medians if m])
            found[f"{FITTED}statistics_upper"] = np.array([m.upper for m in medians if m])
        return found


def _encoder(columns: Columns, params: Parameters) -> Encoder:
    refuse_other_columns("OneHotEncoder", columns, ("level",), "categories")
    return Encoder(agreed=params["categories"] == "agreed")


def _imputer(columns: Columns, params: Parameters) -> Imputer:
    strategy, fill = params["strategy"], params["fill_value"]
    numeric = strategy in ("mean", "median") or (strategy == "constant" and bool(columns.numbers))
    if strategy == "most_frequent" and columns.numbers:
        names = ", ".join(name for name, _ in columns.numbers[:4])
        raise ContradictoryStudy(
            f"SimpleImputer would fill {names} with the commonest value, and no sum tells that of a number",
            hint="fill with the mean or the median, or make the column a category (type: category)",
        )
    taken = ("number", "count") if numeric else ("level",)
    refuse_other_columns("SimpleImputer", columns, taken, "numbers" if numeric else "categories")
    refuse_standardised("SimpleImputer", columns)
    for name, column in columns.study.features.items():
        says = _SAYS.get(strategy) or ("constant" if isinstance(column, Number) else "level")
        if column.impute != says:
            raise ContradictoryStudy(
                f"SimpleImputer is to fill by '{strategy}', and '{name}' says impute: "
                f"{column.impute or 'nothing'}: what a silo does with empty cells, the columns say",
                hint=f"write impute: {says} at '{name}', or leave it out",
            )
        if strategy == "constant" and column.fill_value != (fill if isinstance(column, Number) else str(fill)):
            raise ContradictoryStudy(
                f"SimpleImputer fills with {fill!r}, and '{name}' says fill_value: {column.fill_value!r}",
                hint=f"write the same fill_value at '{name}' and under model: params:",
            )
    return Imputer(columns)


def _check_frequency(value: Any) -> str:
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    share = isinstance(value, float) and 0 < value < 1
    return "" if whole or share else "must be a whole number of rows, 1 or above, or a share of them between 0 and 1"


def _check_most(value: Any) -> str:
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    return "" if whole else "must be a whole number, 1 or above"


def _conflicts(params: Parameters) -> str:
    constant = params["strategy"] == "constant"
    if constant and params["fill_value"] is None:
        return "strategy constant needs a fill_value"
    if not constant and params["fill_value"] is not None:
        return f"strategy {params['strategy']} takes no fill_value"
    return ""


def infrequent_asked(params: Mapping[str, Any]) -> bool:
    """Return whether an encoder tells rare levels from others."""
    return params["min_frequency"] is not None or params["max_categories"] is not None


def _encoder_conflicts(params: Parameters) -> str:
    if params["handle_unknown"] == "infrequent_if_exist" and not infrequent_asked(params):
        return "handle_unknown infrequent_if_exist needs min_frequency or max_categories"
    return ""


ESTIMATORS = {
    "OneHotEncoder": ColumnEstimator(
        module="sklearn.preprocessing",
        targets=("none",),
        defaults={
            "categories": "auto",
            "drop": None,
            "sparse_output": True,
            "handle_unknown": "error",
            "min_frequency": None,
            "max_categories": None,
        },
        trips=(1, 1),
        over=_encoder,
        checks={
            "categories": check_one_of("auto", "agreed"),
            "drop": check_one_of(None, "first", "if_binary"),
            "sparse_output": check_intercept,
            "handle_unknown": check_one_of("error", "ignore", "infrequent_if_exist"),
            "min_frequency": check_optional(_check_frequency),
            "max_categories": check_optional(_check_most),
        },
        conflicts=_encoder_conflicts,
        weights=False,
        spelled=True,
    ),
    "SimpleImputer": ColumnEstimator(
        module="sklearn.impute",
        targets=("none",),
        defaults={"strategy": "mean", "fill_value": None},
        trips=(1, 1),
        over=_imputer,
        checks={"strategy": check_one_of("mean", "median", "most_frequent", "constant")},
        conflicts=_conflicts,
        weights=False,
        spelled=True,
        fills=True,
        stated=lambda params: params["strategy"] == "median",
    ),
}
