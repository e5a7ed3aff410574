"""The agreement in plain words, as `study show`, `freeze` and `join` print it.

Owns the wording. Knows nothing of files. Internal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedcli.study.document import Study


def plain_words(study: Study, trips: tuple[int, int]) -> list[tuple[str, str]]:
    """Return the agreement as names and sentences."""
    rules = study.rules
    target = study.target
    unit = f" in {target.unit}" if target.type == "number" and target.unit else ""
    if target.type == "binary":
        positive = ", ".join(map(str, target.positive))
        outcome = f"{target.column}: yes ({positive}) or no ({', '.join(map(str, target.negative))})"
    else:
        outcome = f"{target.column}: a {target.type} from {target.range[0]:g} to {target.range[1]:g}{unit}"
    rows = [("study", study.title or study.study), ("outcome", outcome)]
    for number, (name, column) in enumerate(study.features.items()):
        if column.type == "number":
            what = f"{name}: {column.range[0]:g} to {column.range[1]:g} {column.unit or ''}".rstrip()
        else:
            what = f"{name}: {', '.join(column.levels)} ({column.levels[0]} is the reference)"
        if column.impute:
            what += f"; missing values get the pooled {column.impute}"
        rows.append(("columns" if number == 0 else "", what))
    if study.offset:
        rows.append(("offset", f"{study.offset.column} ({study.offset.transform})"))
    if study.weight:
        rows.append(("weights", study.weight.column))
    params = ", ".join(f"{key}={value}" for key, value in study.model.params.items())
    scaled = "on standardised columns" if study.model.standardize else "on the columns as they are"
    rows.append(("model", f"{study.model.estimator}({params}) {scaled}"))
    few, many = trips
    rows.append(("trips", f"{few}" if few == many else f"typically {few}, at most {many} on the studies measured"))
    held = (
        f"{study.evaluation.holdout:.0%} of each silo's rows are kept for evaluation"
        if study.evaluation.holdout
        else ""
    )
    rows.append(("evaluation", held or "no rows are kept out"))
    rows.append(
        (
            "rules",
            f"at least {rules.min_rows} rows, {rules.rows_per_column:g} rows per column, groups of {rules.min_cell} "
            f"rows, {rules.min_silos} silos",
        )
    )
    visible = "plain: the coordinator can read each silo's sums" if rules.aggregation == "plain" else rules.aggregation
    rows.append(("aggregation", visible))
    rows.append(("silos", ", ".join(study.silo_names) or "none yet"))
    if study.coordinator:
        rows.append(("coordinator", f"{study.coordinator.name}, fingerprint {study.coordinator.fingerprint}"))
    return rows
