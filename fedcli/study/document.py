"""The agreement: what `study.yaml` may say, and the frozen study that every silo holds.

Owns the shape of the document and its own consistency. Knows nothing of models, keys, tables or files; whether an
estimator exists and whether its parameters are known is asked in ``workflow``. Stable: the JSON form is signed.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from fedcli.study.columns import (
    BooleanColumn,
    Category,
    CategoryColumn,
    CategoryFeature,
    CountColumn,
    DateColumn,
    Feature,
    Number,
    NumberColumn,
    NumberFeature,
)
from fedcli.study.contradictions import ALREADY_SIGNED, contradictions
from fedcli.study.maps import (
    AnyMap,
    FeatureMap,
    PolynomialFeatures,
    RandomReLU,
    RBFSampler,
    ScaledMap,
    SplineTransformer,
    check_map,
)
from fedcli.study.part import Cell, Part, Range, check_range, settled
from fedcli.study.targets import (
    BinaryTarget,
    CategoryTarget,
    ClassTarget,
    CountTarget,
    NoTarget,
    NumberTarget,
    SurvivalTarget,
    Target,
    TimeColumn,
)
from fedcli.study.terms import Interaction, Log, Spline, Term, check_terms

__all__ = [
    "AnyMap",
    "AveragingRule",
    "BinaryTarget",
    "BooleanColumn",
    "Category",
    "CategoryColumn",
    "CategoryFeature",
    "CategoryTarget",
    "Cell",
    "ClassTarget",
    "CountColumn",
    "CountTarget",
    "DateColumn",
    "Evaluation",
    "Feature",
    "FeatureMap",
    "Interaction",
    "Log",
    "Member",
    "Model",
    "NoTarget",
    "Number",
    "NumberColumn",
    "NumberFeature",
    "NumberTarget",
    "Offset",
    "PolynomialFeatures",
    "Profile",
    "RBFSampler",
    "RandomReLU",
    "Rules",
    "ScaledMap",
    "Spline",
    "SplineTransformer",
    "Study",
    "SurvivalTarget",
    "Target",
    "Term",
    "TimeColumn",
    "Weight",
    "valid_name",
]

NAME = r"^[a-z0-9][a-z0-9-]{0,39}$"
Name = Annotated[str, Field(pattern=NAME)]


class Offset(Part):
    """A column that enters the linear predictor with coefficient 1; ``log`` takes its logarithm (an exposure)."""

    column: str
    transform: Literal["log", "identity"] = "identity"
    range: Range

    _range = field_validator("range")(check_range)

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if self.transform == "log" and self.range[0] <= 0:
            raise ValueError("an exposure whose logarithm is taken has a range above 0")
        return self

    @property
    def interval(self) -> Range:
        """The offset's range on the scale of the linear predictor."""
        low, high = self.range
        return (math.log(low), math.log(high)) if self.transform == "log" else (low, high)


class Weight(Part):
    """A column of sample weights, as scikit-learn's ``sample_weight``."""

    column: str
    range: Range

    _range = field_validator("range")(check_range)

    @model_validator(mode="after")
    def _not_negative(self) -> Self:
        if self.range[0] < 0:
            raise ValueError("a weight's range starts at 0 or above")
        return self


Role = BinaryTarget | CategoryTarget | NumberTarget | CountTarget | SurvivalTarget | TimeColumn | Offset | Weight


class AveragingRule(Part):
    """How models that scikit-learn trains at each silo are merged, and in how many trips.

    ``proximal`` is the strength with which FedProx holds a silo's parameters to those that it received; `PROXIMAL`
    where nothing is said.
    """

    rule: Literal["FedAvg", "FedProx", "SCAFFOLD"] = "SCAFFOLD"
    local_epochs: int = Field(default=20, ge=1, le=10_000)
    rounds: int = Field(default=5, ge=1, le=100)
    proximal: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _proximal(self) -> Self:
        if self.proximal is not None and self.rule != "FedProx":
            raise ValueError(f"proximal is FedProx's, and the rule is {self.rule}")
        return self


class Model(Part):
    """A scikit-learn class, with that class's own parameter names.

    ``cv`` is the number of folds among which a class that chooses a parameter by cross-validation divides the rows.
    ``choose`` says how one of several models is chosen: of each value of a listed penalty, and of those of ``nested``,
    which names the features and terms of each, beside the model with all of them.
    ``order: 3`` lets silos with many rows and few columns send third derivatives, which saves a trip.
    ``map`` makes columns that bend from some features, in their stead. ``averaging`` is for classes that are trained at
    each silo; where nothing is said they follow its defaults.
    """

    # scikit-learn spells "no penalty" as C=inf.
    model_config = ConfigDict(allow_inf_nan=True)
    LATER = frozenset({"cv", "map", "averaging", "order", "choose", "nested"})

    estimator: str
    params: dict[str, str | bool | int | float | tuple[str | bool | int | float, ...] | None] = Field(
        default_factory=dict
    )
    standardize: bool = True
    cv: int | None = Field(default=None, ge=2, le=20)
    order: Literal[3] | None = None
    map: AnyMap | None = None
    averaging: AveragingRule | None = None
    choose: Literal["cv", "aic", "bic"] | None = None
    nested: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @property
    def call(self) -> str:
        """The class and its parameters as people write them: ``LogisticRegression(C=[0.1, 1.0])``."""
        said = {key: f"[{', '.join(map(str, v))}]" if isinstance(v, tuple) else v for key, v in self.params.items()}
        return f"{self.estimator}({', '.join(f'{key}={value}' for key, value in said.items())})"

    @field_validator("nested")
    @classmethod
    def _named(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name, columns in value.items():
            if re.fullmatch(r"[^\W_][\w -]{0,39}", name) is None:
                raise ValueError(f"nested model {name!r} needs a name of letters, digits, blanks and '-', 40 at most")
            if not columns:
                raise ValueError(f"nested model '{name}' names no column")
            if len(set(columns)) < len(columns):
                raise ValueError(f"nested model '{name}' names a column twice")
        return value

    @field_validator("params", mode="before")
    @classmethod
    def _numbers(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: _settled(item) for key, item in value.items()}
        return value

    @field_validator("params")
    @classmethod
    def _no_nan(cls, value: dict[str, Any]) -> dict[str, Any]:
        for key, item in value.items():
            if isinstance(item, float) and math.isnan(item):
                raise ValueError(f"{key} is not a number")
        return value


# What other projects protect with unless told otherwise, as far as it is a rule on rows. Where one of theirs has no
# counterpart, fedcli's own default stays.
PRESETS: dict[str, dict[str, int | float]] = {
    "datashield": {
        "min_rows": 3,
        "min_cell": 3,
        "parameters_per_row": 0.33,
        "max_levels": 40,
        "levels_per_row": 0.33,
    },
    "vantage6": {"min_rows": 10, "min_cell": 5, "min_silos": 3, "parameters_per_row": 0.1},
}


# What an agreement means that says nothing of it; measured, see ``docs/decisions.md``.
LARGEST_SHARE = 0.85


class Rules(Part):
    """What every silo agrees to enforce, and when the study stops.

    ``preset`` gives the values of rules that are not written out; the frozen form holds the values too, so that nobody
    has to know what a name meant. ``largest_share`` bounds one row's part of a column's sums; None bounds nothing, as
    in studies frozen before there was the rule. Where a ``study.yaml`` is silent, reading it writes `LARGEST_SHARE`.
    """

    LATER = frozenset({"preset", "parameters_per_row", "max_levels", "levels_per_row", "largest_share"})

    aggregation: Literal["plain", "masked"] = "masked"
    min_rows: int = Field(default=10, ge=1)
    min_cell: int = Field(default=5, ge=1)
    rows_per_column: float = Field(default=5, ge=0)
    max_rows: int = Field(default=10_000_000, ge=1, le=2**40)
    min_silos: int = Field(default=3, ge=2)
    max_rounds: int = Field(default=12, ge=1, le=100)
    max_coefficient: float = Field(default=64, gt=0, le=2**20)
    tolerance: float = Field(default=1e-6, ge=1e-12, le=1e-1)
    preset: Literal["datashield", "vantage6"] | None = None
    parameters_per_row: float | None = Field(default=None, gt=0, le=1)
    max_levels: int | None = Field(default=None, ge=2)
    levels_per_row: float | None = Field(default=None, gt=0, le=1)
    largest_share: float | None = Field(default=None, gt=0, lt=1)

    @model_validator(mode="before")
    @classmethod
    def _by_preset(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("preset"), str):
            return value
        written = {key: item for key, item in value.items() if item is not None}
        return {**PRESETS.get(value["preset"], {}), **written}


class Evaluation(Part):
    """Rows kept out of the fit, and whether a closing trip measures the final model on them."""

    holdout: float = Field(default=0.2, ge=0, lt=1)
    closing_trip: bool = False


class Profile(Part):
    """What trip 1 counts about the columns, for the pooled table ("Table 1"); it costs no trip.

    ``bins`` is how many equal parts of each agreed range are told apart at most, ``by_target`` whether the classes
    of an outcome that has some are described apart, ``correlation`` whether products of all columns are summed too.
    """

    bins: Literal[8, 16, 32, 64, 128, 256, 512, 1024] = 64
    by_target: bool = True
    correlation: bool = False


class Member(Part):
    """One silo or the coordinator, with its public key as it was enrolled; a draft names the fingerprint only."""

    name: Name
    fingerprint: str
    key: dict[str, str] = Field(default_factory=dict)


class Study(Part):
    """The agreement. A draft has no coordinator and may lack silos; a frozen one has both."""

    LATER = frozenset({"terms", "profile"})

    study: Name
    title: str = ""
    target: Target = NoTarget()
    features: dict[str, Feature] = Field(min_length=1)
    terms: dict[str, Term] = Field(default_factory=dict)
    offset: Offset | None = None
    weight: Weight | None = None
    model: Model
    rules: Rules = Rules()
    evaluation: Evaluation = Evaluation()
    profile: Profile | None = None
    silos: tuple[Member, ...] = ()
    coordinator: Member | None = None

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Self:
        others = [part.column for part in self.roles]
        for column in others:
            if column in self.features or others.count(column) > 1:
                raise ValueError(f"column '{column}' has two roles")
        names = [silo.name for silo in self.silos]
        if len(set(names)) != len(names):
            raise ValueError("a silo is named twice")
        if self.coordinator is not None and self.coordinator.name in names:
            raise ValueError(f"'{self.coordinator.name}' is both coordinator and silo")
        check_terms(self.terms, self.features)
        check_map(self.model.map, self.features)
        if info.context is not ALREADY_SIGNED:
            for problem in contradictions(self.features, self.target):
                raise problem
        return self

    @property
    def roles(self) -> tuple[Role, ...]:
        """The parts that name a column beside the features: outcome, its times, offset, weight, if there are any."""
        target = None if isinstance(self.target, NoTarget) else self.target
        return tuple(part for part in (target, *self.times, self.offset, self.weight) if part is not None)

    @property
    def times(self) -> tuple[TimeColumn, ...]:
        """The columns of times of a survival target; none of any other."""
        return self.target.times if isinstance(self.target, SurvivalTarget) else ()

    def part(self, column: str) -> Feature | Role:
        """Return what the study says of a column, whatever its role.

        Raises
        ------
        KeyError
        """
        for part in self.roles:
            if part.column == column:
                return part
        return self.features[column]

    @property
    def numbers(self) -> dict[str, NumberFeature]:
        """The columns that become a number (numbers, counts, dates), in the order of the study."""
        return {name: column for name, column in self.features.items() if isinstance(column, Number)}

    @property
    def categories(self) -> dict[str, CategoryFeature]:
        """The columns that become a level (categories, booleans), in the order of the study."""
        return {name: column for name, column in self.features.items() if isinstance(column, Category)}

    @property
    def silo_names(self) -> tuple[str, ...]:
        """Names of the silos, in the order of the roster."""
        return tuple(silo.name for silo in self.silos)


def _settled(value: Any) -> Any:
    """Settle one parameter's value, or each of a list of them."""
    if isinstance(value, (list, tuple)):
        return tuple(settled(item, infinite=True) for item in value)
    return settled(value, infinite=True)


def valid_name(name: str) -> bool:
    """Return whether ``name`` can be a study's or a member's."""
    return re.fullmatch(NAME.strip("^$"), name) is not None
