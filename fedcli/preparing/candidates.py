"""What a study chooses among: values of a penalty, and which of the columns a model has.

Owns the list of candidates and what contradicts itself in it. Knows nothing of sums, files or rows. Internal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from fedcli.errors import ContradictoryStudy, UnsupportedModel
from fedcli.models.registry import Estimator
from fedcli.study.document import Study

FULL = "all columns"
# More would hardly be told apart, and each costs rows.
MOST = 50


@dataclass(frozen=True)
class Candidate:
    """One model that a study may end with.

    Parameters
    ----------
    given : mapping of str to object
        The estimator's parameters as the study gives them, one value of each.
    nested : str
        Which of the nested models it is; `FULL` for the one with all columns.
    label : str
        What it is called: ``C=0.1``, ``clinical``, ``clinical, C=0.1``.
    """

    given: Mapping[str, Any]
    nested: str
    label: str


def candidates_of(study: Study, known: Estimator) -> tuple[Candidate, ...]:
    """Return what the study chooses among, in its order, those with all columns first; itself where it chooses nothing.

    Parameters
    ----------
    study : Study
    known : Estimator
        The entry of its estimator.

    Raises
    ------
    UnsupportedModel, ContradictoryStudy
        A list without a word on who chooses, a choice without candidates, or one that this estimator does not have.
    """
    model = study.model
    listed = {name: value for name, value in model.params.items() if name in known.path and isinstance(value, tuple)}
    if model.choose is None:
        if listed:
            raise UnsupportedModel(
                f"{model.estimator}: {' and '.join(listed)} is a list, and the study does not say how one is chosen",
                hint="write under model: in study.yaml choose: cv with cv: 5, or one value",
            )
        if model.nested:
            raise ContradictoryStudy(
                "the study names nested models, and does not say how one is chosen",
                hint="write choose: aic, choose: bic, or choose: cv with cv: 5, under model: in study.yaml",
            )
        return (Candidate(dict(model.params), FULL, model.estimator),)
    _check(study, known)
    found = []
    for nested in (FULL, *model.nested):
        for values in product(*listed.values()):
            one = dict(zip(listed, values, strict=True))
            words = [nested] if model.nested else []
            words += [
                f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in one.items()
            ]
            found.append(Candidate({**model.params, **one}, nested, ", ".join(words)))
    if len(found) < 2:
        raise ContradictoryStudy(
            "the study is to choose among models, and has one only",
            hint=f"write {known.path[0]} as a list, name nested models, or remove choose, under model: in study.yaml",
        )
    labels = [one.label for one in found]
    twice = next((label for label in labels if labels.count(label) > 1), "")
    if twice:
        raise ContradictoryStudy(
            f"the study is to choose among models, and '{twice}' is listed twice",
            hint="list each value once under model: in study.yaml",
        )
    if len(found) > MOST:
        raise ContradictoryStudy(
            f"the study is to choose among {len(found)} models, {MOST} are the most",
            hint="list fewer values, or fewer nested models, under model: in study.yaml",
        )
    return tuple(found)


def _check(study: Study, known: Estimator) -> None:
    model = study.model
    if not known.path:
        raise ContradictoryStudy(
            f"{model.estimator} has nothing that a study chooses on the way",
            hint="remove choose (and nested) from study.yaml, or name LogisticRegression or PoissonRegressor",
        )
    if model.choose == "cv" and model.cv is None:
        raise ContradictoryStudy(
            "the study chooses by cross-validation, and names no folds",
            hint="write cv: 5 in study.yaml under model: (each silo divides its rows by a keyed hash)",
        )
    if model.choose != "cv" and model.cv is not None:
        raise ContradictoryStudy(
            f"choose: {model.choose} needs no folds", hint="remove cv from study.yaml, or write choose: cv"
        )
    if model.choose != "cv" and not known.likelihood:
        raise ContradictoryStudy(
            f"{model.estimator} has no likelihood without a dispersion that would be estimated, so no {model.choose}",
            hint="write choose: cv with cv: 5 under model: in study.yaml",
        )
    if model.order is not None:
        raise ContradictoryStudy(
            "models among which one is chosen are expanded to second order only",
            hint="remove order from study.yaml under model:",
        )
    if model.map is not None and model.nested:
        raise ContradictoryStudy("columns of a map have no nested models", hint="remove nested from study.yaml")


def places_of(study: Study, wholes: Mapping[str, tuple[int, ...]], nested: str) -> tuple[int, ...] | None:
    """Return which columns of the design a nested model has, the intercept first; None for all of them.

    Parameters
    ----------
    study : Study
    wholes : mapping of str to tuple of int
        Where each feature, term and indicator stands in the design.
    nested : str

    Raises
    ------
    ContradictoryStudy
        It names what is no feature or term of the design, or nothing less than all columns.
    """
    if nested == FULL:
        return None
    able = [name for name in wholes if not name.endswith("[missing]")]
    places = {0}
    for name in study.model.nested[nested]:
        if name not in able:
            raise ContradictoryStudy(
                f"nested model '{nested}' names '{name}', which is no column of the model",
                hint=f"name features and terms under nested: in study.yaml: {', '.join(able)}",
            )
        places.update(wholes[name])
        places.update(wholes.get(f"{name}[missing]", ()))
    if len(places) == 1 + sum(map(len, wholes.values())):
        raise ContradictoryStudy(
            f"nested model '{nested}' has all columns, as '{FULL}' has",
            hint="leave it out: the model with all columns is always among them",
        )
    return tuple(sorted(places))
