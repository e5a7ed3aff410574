"""A study's feature map as standard parts of scikit-learn: agreed scales, then the map, with the agreed weights.

Owns these parts, and bringing what is agreed into them. Knows nothing of files or silos. Internal. Nothing of the map
is learnt from rows, so that whatever rows the parts were fitted on, they are then given what the study says.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from fedcli.models.maps import Fourier, Relu, Splines
from fedcli.preparing.mapped import Mapped
from fedcli.study.document import PolynomialFeatures, SplineTransformer

Steps = tuple[tuple[str, Any], ...]
# Titles of the steps, by which they are known again.
_RANGE, _TYPICAL, _MAP, _ABOVE = "to_range", "to_typical", "map", "above_zero"


def scaling_steps(mapped: Mapped, names: list[str]) -> Steps:
    """Return what brings numbers that are scaled alike to the map's scale: ends of the range at -1 and 1, mostly."""
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    if isinstance(mapped.map, Splines):
        return ()
    if names[0] in mapped.chosen.centred:
        return ((_TYPICAL, StandardScaler()),)
    return ((_RANGE, MinMaxScaler(feature_range=(-1, 1))),)


def map_steps(mapped: Mapped) -> Steps:
    """Return the map itself, not fitted."""
    from sklearn.kernel_approximation import RBFSampler
    from sklearn.preprocessing import MinMaxScaler
    from sklearn.preprocessing import PolynomialFeatures as Polynomial
    from sklearn.preprocessing import SplineTransformer as Spline
    from sklearn.random_projection import GaussianRandomProjection

    made, chosen = mapped.map, mapped.chosen
    if isinstance(made, Fourier):
        return ((_MAP, RBFSampler(gamma=made.gamma, n_components=made.n_components)),)
    if isinstance(made, Relu):
        return (
            # scikit-learn has no layer: a 1 beside the inputs carries the offset, and clipping at 0 is the rest.
            ("one", Polynomial(degree=1)),
            (_MAP, GaussianRandomProjection(n_components=made.n_components, random_state=0)),
            (_ABOVE, MinMaxScaler(feature_range=(0, 1), clip=True)),
        )
    if isinstance(chosen, PolynomialFeatures):
        given = {"interaction_only": chosen.interaction_only, "include_bias": chosen.include_bias}
        return ((_MAP, Polynomial(chosen.degree, **given)),)
    assert isinstance(chosen, SplineTransformer)  # noqa: S101 - there are four kinds
    assert isinstance(made, Splines)  # noqa: S101 - as above
    knots = np.array([made.base_knots(place) for place in range(len(made.inputs))]).T
    settings: dict[str, Any] = {"extrapolation": chosen.extrapolation, "include_bias": chosen.include_bias}
    return ((_MAP, Spline(knots=knots, degree=chosen.degree, **settings)),)


def fitted_quietly(transformer: Any, frame: Any) -> Any:
    """Fit a ``ColumnTransformer``; a map of more columns than inputs is meant."""
    from sklearn.exceptions import DataDimensionalityWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataDimensionalityWarning)
        return transformer.fit(frame)


def settle_agreed(mapped: Mapped | None, transformer: Any) -> None:
    """Give a fitted ``ColumnTransformer`` what is agreed of its map, if it has one."""
    from sklearn.pipeline import Pipeline

    for _, fitted, names in transformer.transformers_ if mapped is not None else ():
        if isinstance(fitted, Pipeline):
            assert mapped is not None  # noqa: S101 - or there is nothing to pass over
            settle_map(mapped, fitted, names)
            if "parts" in fitted.named_steps:
                settle_agreed(mapped, fitted.named_steps["parts"])


def settle_map(mapped: Mapped, pipeline: Any, names: list[str]) -> None:
    """Give the fitted steps of one pipeline, on the columns ``names``, what is agreed of them."""
    inputs = {one.name: one for one in mapped.inputs}
    for title, step in pipeline.steps:
        if title == _RANGE:
            # Fitted on the ends of the ranges it learns them, whatever its version keeps of them.
            ends = [[inputs[n].middle + side * inputs[n].half for n in names] for side in (-1, 1)]
            vars(step).update(vars(_fitted(step, ends)))
        elif title == _TYPICAL:
            step.mean_ = np.array([inputs[name].middle for name in names])
            step.scale_ = np.array([inputs[name].half for name in names])
            step.var_ = step.scale_**2
        elif title == _MAP and isinstance(mapped.map, Fourier):
            step.random_weights_, step.random_offset_ = mapped.map.weights, mapped.map.offset
        elif title == _MAP and isinstance(mapped.map, Relu):
            step.components_ = np.column_stack([mapped.map.offset, mapped.map.weights.T])
        elif title == _ABOVE:
            n = len(mapped.columns)
            vars(step).update(vars(_fitted(step, [[0.0] * n, [1.0] * n])))
            step.feature_range = (0, np.inf)


def _fitted(step: Any, rows: list[list[float]]) -> Any:
    from sklearn.base import clone

    return clone(step).fit(np.array(rows))
