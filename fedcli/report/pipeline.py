"""The fitted scikit-learn ``Pipeline`` of a finished study.

Owns the estimator, and the sentences about what the Pipeline expects. `transformers` has its columns. Internal.
"""

from __future__ import annotations

from typing import Any

from fedcli.data.cells import NO_VALUE, Codes, number_of
from fedcli.fileformat.statistics import State
from fedcli.preparing.estimators import estimator_of
from fedcli.preparing.plan import Plan
from fedcli.report.estimator import fitted_estimator
from fedcli.report.transformers import settled_transformer, spoken_levels
from fedcli.study.document import BooleanColumn, DateColumn, Study


def build_pipeline(plan: Plan, state: State) -> Any:
    """Return ``Pipeline([("columns", ColumnTransformer), ("model", estimator)])``, fitted as on the pooled rows.

    Its ``predict`` takes a data frame with the study's column names, agreed units and level spellings; a missing cell
    is NaN (None for text) or an agreed missing code, but for those that `pipeline_limits` names. The offset of a count
    model is not part of it: multiply predictions by the exposure.

    Raises
    ------
    UnsupportedModel
        The installed scikit-learn lacks the class.
    """
    from sklearn.pipeline import Pipeline

    preparation = plan.preparation(state)
    transformer = settled_transformer(plan, preparation)
    return Pipeline([("columns", transformer), ("model", fitted_estimator(plan, state))])


def pipeline_limits(study: Study) -> tuple[str, ...]:
    """Return what the study does to a table and the exported Pipeline does not, a sentence each.

    scikit-learn's own parts compare a missing code with a column of its own kind only: text codes among numbers have to
    become gaps where the table is read.
    """
    stand_in = estimator_of(study).stand_in
    found = [
        f"the Pipeline expects '{name}' as a number: {column.scale} since {column.since}"
        + (" (days / 365.25)" if column.scale == "years" else "")
        for name, column in study.numbers.items()
        if isinstance(column, DateColumn)
    ]
    if stand_in:
        found.append(
            f"scikit-learn has no {study.model.estimator}: the Pipeline's model is a {stand_in}, whose predicted means "
            "have the same form; its alpha is the penalty (l2), its alpha_ the dispersion"
        )
    answers = [name for name, column in study.categories.items() if isinstance(column, BooleanColumn)]
    if answers:
        found.append(f"the Pipeline expects yes and no as the numbers 1 and 0: {', '.join(answers)}")
    texts = {code: None for name, column in study.features.items() for code in _foreign_codes(study, name)}
    if texts:
        wanted = ", ".join(repr(code) for code in sorted(texts))
        found.append(
            f"the Pipeline does not know the missing codes {wanted} in columns of numbers: "
            f"read the table with pandas.read_csv(FILE, na_values=[{wanted}])"
        )
    lost = [name for name, column in study.numbers.items() if column.outside == "missing"]
    if lost:
        found.append(
            f"the Pipeline takes values outside the agreed range as they are, in the study they are missing: "
            f"{', '.join(lost)}"
        )
    return tuple(found)


def _foreign_codes(study: Study, name: str) -> list[str]:
    """Return the text codes of a column that a data frame holds as numbers, but for those that pandas knows itself."""
    column = study.features[name]
    if isinstance(column, DateColumn):
        return []
    if name in study.categories and isinstance(spoken_levels(study.categories[name])[0], str):
        return []
    return [code for code in Codes.of(column.missing).texts if number_of(code) is None and code.lower() not in NO_VALUE]
