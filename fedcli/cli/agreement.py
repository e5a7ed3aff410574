"""The agreement in plain words, as `study show`, `freeze` and `join` print it.

Owns the wording. Knows nothing of files. Internal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedcli.study.document import AnyMap, Evaluation, Feature, Profile, Rules, Study, Target, Term

_OWN_BASELINE = "each silo has a baseline hazard of its own: no time of an event leaves it"
_ONE_BASELINE = "all silos have one baseline hazard: how many events each agreed interval has leaves them"


def plain_words(study: Study, trips: tuple[int, int]) -> list[tuple[str, str]]:
    """Return the agreement as names and sentences."""
    from fedcli.report.sheet import number_of

    rules = study.rules
    target = study.target
    trained = bool(_averaging(study))
    scale = "standardised columns" if trained else "columns that run from -1 to 1"
    named = f"{study.title} ({study.study})" if study.title else study.study
    rows = [("study", named), ("outcome", _outcome(target) + _codes(target))]
    for number, (name, column) in enumerate(study.features.items()):
        rows.append(("columns" if number == 0 else "", f"{name}: {_column(column)}"))
    rows.append(("", _otherwise(study)))
    for number, (name, term) in enumerate(study.terms.items()):
        rows.append(("terms" if number == 0 else "", f"{name}: {_term(term)}"))
    if study.offset:
        taken = "its logarithm" if study.offset.transform == "log" else "as it is"
        rows.append(("offset", f"{study.offset.column}, {taken}: {_interval(study.offset.range)}"))
    if study.weight:
        rows.append(("weights", f"{study.weight.column}: {_interval(study.weight.range)}"))
    scaled = "on standardised columns" if study.model.standardize else "on the columns as they are"
    folds = f", in {study.model.cv} folds" if study.model.cv else ""
    rows.append(("model", f"{study.model.call} {scaled}{folds}"))
    rows += [("", sentence) for sentence in _choice(study)]
    if study.model.order is not None:
        rows.append(("", "silos with rows enough send sums of products of three columns too (order: 3)"))
    rows += [("map" if number == 0 else "", said) for number, said in enumerate(_map(study))]
    if study.model.estimator == "CoxPH":
        one = study.model.params.get("strata", "silo") is None
        rows.append(("", _ONE_BASELINE if one else _OWN_BASELINE))
    if study.model.estimator == "OrdinalLogit" and study.target.type == "category":
        rows.append(("", f"the outcome's levels are in this order: {' < '.join(study.target.levels)}"))
    rows += [("", sentence) for sentence in _averaging(study)]
    few, many = trips
    typical = f"{few}" if few == many else f"typically {few}, at most {many} on the studies measured"
    rows.append(("trips", typical if trained else f"{typical}; never more than {rules.max_rounds}"))
    ends = "" if trained else f"finished at a relative error of the coefficients of {_exact(rules.tolerance)}"
    rows.append(("", ends or "finished after these trips, however near the pooled fit is"))
    rows.append(("evaluation", _evaluation(study.evaluation)))
    if study.profile is not None:
        rows.append(("profile", _profile(study.profile, study.target)))
    rows.append(
        (
            "rules",
            f"at least {number_of(rules.min_rows, 'row')}, {_exact(rules.rows_per_column)} per column, groups of "
            f"{number_of(rules.min_cell, 'row')}, {rules.min_silos} silos",
        )
    )
    rows.append(
        (
            "",
            f"at most {number_of(rules.max_rows, 'row')} at a silo, coefficients up to "
            f"{_exact(rules.max_coefficient)} on {scale}",
        )
    )
    rows += [("", sentence) for sentence in _further(rules)]
    visible = "plain: the coordinator can read each silo's sums" if rules.aggregation == "plain" else rules.aggregation
    rows.append(("aggregation", visible))
    for number, silo in enumerate(study.silos):
        rows.append(("" if number else "silos", f"{silo.name}, fingerprint {silo.fingerprint}"))
    if not study.silos:
        rows.append(("silos", "none yet"))
    if study.coordinator:
        rows.append(("coordinator", f"{study.coordinator.name}, fingerprint {study.coordinator.fingerprint}"))
    return rows


def _choice(study: Study) -> list[str]:
    """Say among which models one is chosen, and how; nothing where there is one only."""
    model = study.model
    nested = [f"{name} has {', '.join(columns)} only" for name, columns in model.nested.items()]
    if model.choose is None:
        return nested
    how = {
        "cv": f"the rows of each of {model.cv} folds in turn are left out; the lowest mean loss on them is chosen",
        "aic": "the lowest AIC is chosen",
        "bic": "the lowest BIC is chosen",
    }[model.choose]
    return [f"of all that are listed {how}", *nested]


def _averaging(study: Study) -> list[str]:
    """Say how a model that is trained at each silo is merged; nothing of others."""
    from fedcli.preparing.estimators import ESTIMATORS, PROXIMAL, averaging_of

    known = ESTIMATORS.get(study.model.estimator)
    if study.model.averaging is None and not (known and known.averaged):
        return []
    rule = averaging_of(study)
    strength = PROXIMAL if rule.proximal is None else rule.proximal
    held = f", held to the model received with strength {_exact(strength)}" if rule.rule == "FedProx" else ""
    epochs = f"{rule.local_epochs} {'epoch' if rule.local_epochs == 1 else 'epochs'}"
    trips = f"{rule.rounds} {'trip' if rule.rounds == 1 else 'trips'}"
    return [
        f"trained at each silo by scikit-learn, {epochs} in a trip{held}, and averaged by {rule.rule} over {trips}",
        "what leaves a silo is its own model: this is near the pooled fit, not equal to it",
    ]


def _further(rules: Rules) -> list[str]:
    """Return the rules that only some studies have."""
    found = []
    if rules.preset is not None:
        project = {"datashield": "DataSHIELD", "vantage6": "vantage6"}[rules.preset]
        found.append(f"preset {rules.preset}: {project}'s published defaults, where the study says nothing else")
    if rules.parameters_per_row is not None:
        found.append(f"at most {_exact(rules.parameters_per_row)} coefficients per training row")
    if rules.max_levels is not None:
        found.append(f"at most {rules.max_levels} levels per category")
    if rules.levels_per_row is not None:
        found.append(f"at most {_exact(rules.levels_per_row)} levels of a category per training row")
    if rules.largest_share is not None:
        share = _exact(100 * rules.largest_share)
        found.append(f"no row with more than {share}% of a column's sum or sum of squares")
    else:
        found.append("no rule on one row's share of a sum")
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
        span = f"{_interval(target.range)}{_unit(target)}"
        answers = f"{_said('yes', target.positive)} or {_said('no', target.negative)}"
        return f"{target.event}: {answers}, {seen} ({span})"
    return f"{target.column}: a {target.type} from {_interval(target.range)}{_unit(target)}"


def _column(column: Feature) -> str:
    return _values(column) + _codes(column) + _outside(column) + _imputed(column)


def _values(column: Feature) -> str:
    if column.type == "category":
        what = f"{', '.join(column.levels)} ({column.levels[0]} is the reference)"
        if column.other is not None:
            what += (
                f"; a level too small to show is counted as {column.other} at that silo: {column.other} is a mixture"
            )
        return what
    if column.type == "boolean":
        return "yes or no"
    if column.type == "date":
        return (
            f"a day from {column.range[0]} to {column.range[1]}, as {column.scale} since {column.since}{_unit(column)}"
        )
    return f"{'whole numbers, ' if column.type == 'count' else ''}{_interval(column.range)}{_unit(column)}"


def _unit(part: Target | Feature) -> str:
    unit, quantity = getattr(part, "unit", None), getattr(part, "quantity", None)
    return (f" {unit}" if unit else "") + (f" of {quantity}" if quantity else "")


def _codes(part: Target | Feature) -> str:
    """Say which values stand for a missing one."""
    codes = [code if isinstance(code, str) else _exact(code) for code in getattr(part, "missing", ())]
    return f"; {', '.join(codes)} {'means' if len(codes) == 1 else 'mean'} missing" if codes else ""


def _outside(column: Feature) -> str:
    became = {"clip": "clipped to its nearer end", "missing": "missing"}.get(getattr(column, "outside", ""))
    return f"; outside the range is {became}" if became else ""


def _imputed(column: Feature) -> str:
    what = ""
    if column.impute in ("constant", "level"):
        value = column.fill_value
        what = f"; missing values are taken for {value if isinstance(value, str) else _exact(value or 0.0)}"
    elif column.impute:
        what = f"; missing values get the pooled {column.impute}"
    return what + (", and a column says where" if column.indicator else "")


def _otherwise(study: Study) -> str:
    """Say what holds for every column of which nothing else is said."""
    lacking = [role for role, there in (("offset", study.offset), ("weight", study.weight)) if there]
    needed = " or ".join([*(["outcome"] if study.target.type != "none" else []), *lacking])
    without = f"; a row without {needed} is left out" if needed else ""
    return (
        "where nothing else is said, a missing value, or one outside its range, is an error; empty cells, NA, NaN and "
        f"NULL are missing always{without}"
    )


def _evaluation(evaluation: Evaluation) -> str:
    if not evaluation.holdout:
        held = "no rows are kept out"
    else:
        held = f"{_exact(100 * evaluation.holdout)}% of each silo's rows are kept for evaluation"
    return held + ("; one more trip measures the final model" if evaluation.closing_trip else "")


def _interval(interval: tuple[float, float]) -> str:
    return f"{_exact(interval[0])} to {_exact(interval[1])}"


def _exact(number: float) -> str:
    """Write a number with all its digits: what is agreed is not rounded."""
    return f"{number:.15g}"


def _profile(profile: Profile, target: Target) -> str:
    apart = ""
    if profile.by_target and target.type == "binary":
        apart = ", each for the two outcomes apart"
    elif profile.by_target and target.type == "category":
        apart = f", each for the {len(target.levels)} classes apart"
    products = "; and correlations of the columns" if profile.correlation else ""
    return f"means, quantiles and counts of every column of the pool, in {profile.bins} bins{apart}{products}"


def _term(term: Term) -> str:
    if term.type == "interaction":
        return f"the product of {term.columns[0]} and {term.columns[1]}"
    beside = f"beside {term.column}" if term.keep else f"in place of {term.column}"
    if term.type == "log":
        return f"the logarithm of {term.column}, {beside}"
    knots = ", ".join(map(_exact, term.knots))
    return f"a spline of {term.column} of degree {term.degree} with knots at {knots}, {beside}"


def _map(study: Study) -> list[str]:
    """Say what columns a map makes, of what, and on which scale."""
    chosen = study.model.map
    if chosen is None:
        return []
    taken = chosen.taken(study.features)
    found = [f"{_made(chosen)}, in place of {', '.join(taken)}"]
    if chosen.type in ("RBFSampler", "RandomReLU"):
        found.append("its random weights follow from the study's id, so that everybody draws the same")
    for name, (centre, spread) in chosen.centred.items():
        found.append(f"{name} enters it less {_exact(centre)}, divided by {_exact(spread)}")
    if chosen.type != "SplineTransformer":
        which = "other numbers" if chosen.centred else "numbers"
        found.append(f"{which} enter it with their range from -1 to 1")
    return [*found, "its columns are never standardised"]


def _made(chosen: AnyMap) -> str:
    if chosen.type == "RBFSampler":
        return f"RBFSampler: {chosen.n_components} random cosines, gamma {_exact(chosen.gamma)}"
    if chosen.type == "RandomReLU":
        return f"RandomReLU: {chosen.n_components} random units, each 0 on one side of a border and rising on the other"
    if chosen.type == "PolynomialFeatures":
        what = "products of different columns" if chosen.interaction_only else "products of columns and their powers"
        return f"PolynomialFeatures: {what} up to degree {chosen.degree}" + (", and a 1" if chosen.include_bias else "")
    last = "" if chosen.include_bias else ", the last of each left out"
    knots = f"{chosen.n_knots} knots evenly over the range"
    return (
        f"SplineTransformer: splines of degree {chosen.degree} with {knots}{last}; beyond it, when exported: "
        f"{chosen.extrapolation}"
    )
