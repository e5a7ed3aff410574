"""`plan`: what a study will cost and show, before anything starts.

Owns the figures and the cheaper ways to ask. Knows nothing of screens; needs no key, no table, and writes nothing.
Stable: part of the Python API.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fedcli.fileformat.statistics import Block, Layout
from fedcli.fileformat.tensors import TensorFile
from fedcli.models.batch import empty_state
from fedcli.models.cavity import Cavity
from fedcli.models.third_order import MOST_COLUMNS, rows_needed
from fedcli.preparing.estimators import ESTIMATORS, estimator_of, parameters, trips_of
from fedcli.preparing.plan import Plan
from fedcli.study.document import Study
from fedcli.study.reading import read_study
from fedcli.study.yaml import decode
from fedcli.workflow.files import kind_of, open_study
from fedcli.workflow.limits import cross_check
from fedcli.workflow.workspace import find_workspace, need_file

# Manifest, two signatures, the age header and the archive's padding, for one recipient: measured, and held by a test.
_AROUND = 10_900
_CHUNK = 65_536
# Within what a model on a map's columns equals the pooled one: these are nearly collinear at times.
_EXACT_ON_MAPS = 1e-7

_CHOSEN = {"cv": "cross-validation in the agreed folds", "aic": "AIC", "bic": "BIC"}

_LOGISTIC = ("LogisticRegression", "a linear border with probabilities, equal to the pooled fit")
_SQUARES = ("RidgeClassifier", "a linear border by squares, equal to the pooled fit")
_BENT_CLASSES = ("RidgeClassifier", "behind map: RBFSampler, which bends too; equal to the pooled fit")
# The same question, or nearly the same, in fewer trips.
_CHEAPER = {
    "LogisticRegression": (
        ("LinearDiscriminantAnalysis", "the same odds under normal columns; close unless columns are skewed"),
        ("RidgeClassifier", "the same ranking where classes overlap; no probabilities"),
    ),
    "LinearSVC": (("RidgeClassifier", "a linear border too, by squares"),),
    "PoissonRegressor": (("Ridge", "of the count's logarithm, which each silo adds as a column"),),
    "GammaRegressor": (("Ridge", "of the target's logarithm, which each silo adds as a column"),),
    "TweedieRegressor": (("Ridge", "of the target's logarithm, where it is above 0"),),
    "NegativeBinomial": (("Ridge", "of the count's logarithm, which each silo adds as a column"),),
    "OrdinalLogit": (("LinearDiscriminantAnalysis", "of the levels without their order"),),
    "HuberRegressor": (("LinearRegression", "with outside: clip, which bounds a row's pull as well"),),
    "SGDClassifier": (_LOGISTIC, _SQUARES),
    "Perceptron": (_LOGISTIC, _SQUARES),
    "MLPClassifier": (_BENT_CLASSES, _LOGISTIC),
    "SGDRegressor": (("Ridge", "the fit that SGD's steps wander about, equal to the pooled one"),),
    "MLPRegressor": (("Ridge", "behind map: RBFSampler, which bends too; equal to the pooled fit"),),
}


@dataclass(frozen=True)
class TripPlan:
    """One kind of trip: how many numbers each silo sends, about how many bytes its file has, and what they are."""

    which: str
    numbers: int
    size: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Alternative:
    """Another estimator for nearly the same question, in fewer trips."""

    estimator: str
    trips: int
    says: str


@dataclass(frozen=True)
class Planned:
    """Result of `plan`.

    ``trips`` are the typical and the largest number seen on the project's reference data; ``exact`` is within what the
    result equals ``beside``, fitted on the pooled rows, None where it does not (``averaged``), and where it states its
    own bounds; ``least_rows`` is how many training rows each silo must have; ``n_counted`` are the columns as the rule
    on rows for each counts them. ``third`` are the typical trips where all silos send third derivatives, and how many
    rows each must have for that; None where they cannot.
    """

    study: Study
    trips: tuple[int, int]
    exact: float | None
    averaged: bool
    beside: str
    each: tuple[TripPlan, ...]
    n_columns: int
    n_counted: int
    least_rows: int
    aggregation: str
    cheaper: tuple[Alternative, ...]
    third: tuple[int, int] | None = None


def plan(path: Path | str | None = None, *, workspace: Path | str = ".") -> Planned:
    """Say how many trips a study takes, how exact it is, what each silo sends, and what the coordinator sees.

    Parameters
    ----------
    path : path, optional
        A ``study.yaml`` or a ``.fedstudy`` file; without it the workspace's.
    workspace : path

    Raises
    ------
    FileError, UnsupportedModel, ContradictoryStudy
        As `study_freeze` would.
    """
    study = _study(path, workspace)
    cross_check(study)
    known, made = estimator_of(study), Plan(study)
    trips = trips_of(study)
    first = made.layout(empty_state())
    each = [_trip("trip 1", first)]
    if trips[1] > 1:
        each.append(_trip("each later trip", made.later_layout))
    own = "scikit-learn's" if known.module and not known.stands_for else "a pooled"
    rules = study.rules
    least = max(rules.min_rows, math.ceil(rules.rows_per_column * made.n_counted))
    return Planned(
        study=study,
        trips=trips,
        exact=_exact(study),
        averaged=known.averaged,
        beside=f"{own} {study.model.call}"
        + (f", chosen by {_CHOSEN[study.model.choose]}," if study.model.choose else "")
        + (f" behind {study.model.map.type}" if study.model.map else ""),
        each=tuple(each),
        n_columns=made.n_summed,
        n_counted=made.n_counted,
        least_rows=least,
        aggregation=rules.aggregation,
        cheaper=tuple(
            Alternative(name, ESTIMATORS[name].trips[0], says)
            for name, says in _CHEAPER.get(study.model.estimator, ())
            if name in ESTIMATORS and ESTIMATORS[name].trips[0] < trips[0]
        ),
        third=_third(made),
    )


def _exact(study: Study) -> float | None:
    """Return within what the result equals the pooled fit; None where it does not, or states its own bounds."""
    known = estimator_of(study)
    if known.averaged or known.stated(parameters(study)):
        return None
    return known.exact if study.model.map is None else max(known.exact, _EXACT_ON_MAPS)


def _third(made: Plan) -> tuple[int, int] | None:
    """Return the trips to third order, and the rows for it, by the study as it would be with ``order: 3``."""
    study, n = made.study, made.columns.n_columns
    if study.model.choose is not None:
        return None
    asked = Plan(study.model_copy(update={"model": study.model.model_copy(update={"order": 3})}))
    if (
        study.model.map is not None
        or not isinstance(asked.family, Cavity)
        or asked.family.order < 3
        or n > MOST_COLUMNS
    ):
        return None
    return trips_of(asked.study)[0], max(study.rules.min_rows, rows_needed(n, study.rules.rows_per_column))


def _study(path: Path | str | None, workspace: Path | str) -> Study:
    if path is None:
        space = find_workspace(workspace)
        path = space.study_file or space.draft
    file = need_file(Path(path), what="study")
    if kind_of(file) is not None:
        return open_study(file).study
    return read_study(decode(file.read_bytes(), name=file.name), name=file.name)


def _trip(which: str, layout: Layout) -> TripPlan:
    arrays = {block.name: np.zeros((block.size, 2), dtype=np.uint64) for block in layout}
    payload = TensorFile(arrays, {"fedcli": "0" * 64}).size
    size = payload + 16 * math.ceil(payload / _CHUNK) + _AROUND
    return TripPlan(which, layout.size, size, layout.blocks)
