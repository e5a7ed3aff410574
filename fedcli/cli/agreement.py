"""The agreement in plain words, as `study show`, `freeze` and `join` print it.

Owns the wording. Knows nothing of files. Internal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedcli.study.document import Feature, Profile, Rules, Study, Target, Term


def plain_words(study: Study, trips: tuple[int, int]) -> list[tuple[str, str]]:
    """Return the agreement as names and sentences."""
    rules = study.rules
    target = study.target
    rows = [("study", study.title or study.study), ("outcome", _outcome(target))]
    for number, (name, column) in enumerate(study.features.items()):
        rows.append(("columns" if number == 0 else "", f"{name}: {_column(column)}"))
    for number, (name, term) in enumerate(study.terms.items()):
        rows.append(("terms" if number == 0 else "", f"{name}: {_term(term)}"))
    if study.offset:
        rows.append(("offset", f"{study.offset.column} ({study.offset.transform})"))
    if study.weight:
        rows.append(("weights", study.weight.column))
    params = ", ".join(f"{key}={value}" for key, value in study.model.params.items())
    scaled = "on standardised columns" if study.model.standardize else "on the columns as they are"
    rows.append(("model", f"{study.model.estimator}({params}) {scaled}"))
    if study.model.estimator == "CoxPH":
        rows.append(("", "each silo has a baseline hazard of its own: no time of an event leaves it"))
    few, many = trips
    rows.append(("trips", f"{few}" if few == many else f"typically {few}, at most {many} on the studies measured"))
    held = (
        f"{study.evaluation.holdout:.0%} of each silo's rows are kept for evaluation"
        if study.evaluation.holdout
        else ""
    )
    rows.append(("evaluation", held or "no rows are kept out"))
    if study.profile is not None:
        rows.append(("profile", _profile(study.profile, binary=target.type == "binary")))
    rows.append(
        (
            "rules",
            f"at least {rules.min_rows} rows, {rules.rows_per_column:g} rows per column, groups of {rules.min_cell} "
            f"rows, {rules.min_silos} silos",
        )
    )
    rows += [("", sentence) for sentence in _further(rules)]
    visible = "plain: the coordinator can read each silo's sums" if rules.aggregation == "plain" else rules.aggregation
    rows.append(("aggregation", visible))
    rows.append(("silos", ", ".join(study.silo_names) or "none yet"))
    if study.coordinator:
        rows.append(("coordinator", f"{study.coordinator.name}, fingerprint {study.coordinator.fingerprint}"))
    return rows


def _further(rules: Rules) -> list[str]:
    """Return the rules that only some studies have."""
    found = []
    if rules.preset is not None:
        project = {"datashield": "DataSHIELD", "vantage6": "vantage6"}[rules.preset]
        found.append(f"preset {rules.preset}: {project}'s published defaults, where the study says nothing else")
    if rules.parameters_per_row is not None:
        found.append(f"at most {rules.parameters_per_row:g} coefficients per training row")
    if rules.max_levels is not None:
        found.append(f"at most {rules.max_levels} levels per category")
    if rules.levels_per_row is not None:
        found.append(f"at most {rules.levels_per_row:g} levels of a category per training row")
    if rules.largest_share is not None:
        found.append(f"no row with more than {rules.largest_share:.0%} of a column's sum")
    return found


def _said(answer: str, values: Sequence[object]) -> str:
    """Return what stands for an answer in the tables, in brackets unless it is the word itself."""
    spellings = ", ".join(map(str, values))
    return answer if spellings.casefold() == answer else f"{answer} ({spellings})"


def _outcome(target: Target) -> str:
    if target.type == "none":
        return "none: the model describes the columns alone"
    if target.type == "binary":
        return f"{target.column}: {_said('yes', target.positive)} or {_said('no', target.negative)}"
    if target.type == "category":
        return f"{target.column}: one of {', '.join(target.levels)}"
    if target.type == "survival":
        seen = f"seen {f'from {target.entry} ' if target.entry else ''}until {target.time}"
        span = f"{target.range[0]:g} to {target.range[1]:g} {target.unit or ''}".rstrip()
        answers = f"{_said('yes', target.positive)} or {_said('no', target.negative)}"
        return f"{target.event}: {answers}, {seen} ({span})"
    unit = f" in {target.unit}" if target.type == "number" and target.unit else ""
    return f"{target.column}: a {target.type} from {target.range[0]:g} to {target.range[1]:g}{unit}"


def _column(column: Feature) -> str:
    if column.type == "category":
        what = f"{', '.join(column.levels)} ({column.levels[0]} is the reference)"
        if column.other is not None:
            what += (
                f"; a level too small to show is counted as {column.other} at that silo: {column.other} is a mixture"
            )
    elif column.type == "boolean":
        what = "yes or no"
    elif column.type == "date":
        what = f"a day from {column.range[0]} to {column.range[1]}, as {column.scale} since {column.since}"
    else:
        low, high = column.interval
        what = f"{'whole numbers, ' if column.type == 'count' else ''}{low:g} to {high:g} {column.unit or ''}".rstrip()
    if column.impute in ("constant", "level"):
        what += f"; missing values are taken for {column.fill_value}"
    elif column.impute:
        what += f"; missing values get the pooled {column.impute}"
    return what + (", and a column says where" if column.indicator else "")


def _profile(profile: Profile, *, binary: bool) -> str:
    apart = ", each for the two outcomes apart" if profile.by_target and binary else ""
    products = "; and correlations of the columns" if profile.correlation else ""
    return f"means, quantiles and counts of every column of the pool, in {profile.bins} bins{apart}{products}"


def _term(term: Term) -> str:
    if term.type == "interaction":
        return f"the product of {term.columns[0]} and {term.columns[1]}"
    beside = f"beside {term.column}" if term.keep else f"in place of {term.column}"
    if term.type == "log":
        return f"the logarithm of {term.column}, {beside}"
    knots = ", ".join(f"{knot:g}" for knot in term.knots)
    return f"a spline of {term.column} of degree {term.degree} with knots at {knots}, {beside}"
