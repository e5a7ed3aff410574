"""The agreement: what `study.yaml` may say, and the frozen study that every silo holds.

Owns the shape of the document and its own consistency. Knows nothing of models, keys, tables or files; whether an
estimator exists and whether its parameters are known is asked in ``workflow``. Stable: the JSON form is signed.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

NAME = r"^[a-z0-9][a-z0-9-]{0,39}$"
Name = Annotated[str, Field(pattern=NAME)]
Cell = str | int | float
Range = tuple[float, float]


def _settled(value: Any, *, infinite: bool = False) -> Any:
    """Turn text that is a float's own spelling into that float: the frozen form writes floats so (`canonical_form`)."""
    if isinstance(value, str):
        if infinite and value in ("inf", "-inf", ".inf", "-.inf"):
            return math.copysign(math.inf, -1 if value[0] == "-" else 1)
        try:
            number = float(value)
        except ValueError:
            return value
        return number if math.isfinite(number) and repr(number) == value else value
    return value


def _as_cells(value: Any) -> Any:
    """Take one value for a list of one, and ``true`` for the text that stands in a table."""
    values = value if isinstance(value, (list, tuple)) else (value,)
    return tuple(str(v).lower() if isinstance(v, bool) else _settled(v) for v in values)


Cells = Annotated[tuple[Cell, ...], BeforeValidator(_as_cells)]


class Part(BaseModel):
    """Common to all parts: unknown keys are refused, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)


def _check_range(value: Range) -> Range:
    if not value[0] < value[1]:
        raise ValueError(f"a range goes from the smaller to the larger value, not from {value[0]:g} to {value[1]:g}")
    if not (max(map(abs, value)) <= 1e100 and value[1] - value[0] >= 1e-100):
        raise ValueError("a range lies between -1e100 and 1e100 and is at least 1e-100 wide")
    return value


class NumberColumn(Part):
    """A feature that is a number: encoded on the scale that ``range`` gives, standardised by pooled moments."""

    type: Literal["number"]
    unit: str | None = None
    range: Range
    missing: Cells = ()
    impute: Literal["mean"] | None = None
    outside: Literal["error", "missing", "clip"] = "error"

    _range = field_validator("range")(_check_range)

    @property
    def middle(self) -> float:
        """Middle of the agreed range: 0 on the reference scale."""
        return (self.range[0] + self.range[1]) / 2

    @property
    def half(self) -> float:
        """Half of the agreed range: 1 on the reference scale."""
        return (self.range[1] - self.range[0]) / 2


class CategoryColumn(Part):
    """A feature with agreed levels, in an agreed order: the first is the reference and has no dummy."""

    type: Literal["category"]
    levels: tuple[str, ...] = Field(min_length=2)
    missing: Cells = ()
    impute: Literal["mode"] | None = None

    @field_validator("levels", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return tuple(str(v).lower() if isinstance(v, bool) else str(v) for v in value)
        return value

    @field_validator("levels")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("a level is named twice")
        return value


Feature = Annotated[NumberColumn | CategoryColumn, Field(discriminator="type")]


class BinaryTarget(Part):
    """The outcome is yes or no; ``positive`` and ``negative`` each name one value, or a list of values."""

    type: Literal["binary"]
    column: str
    positive: Cells = (1,)
    negative: Cells = ()
    missing: Cells = ()

    @model_validator(mode="after")
    def _negative_known(self) -> Self:
        if not self.positive:
            raise ValueError("positive names no value")
        if not self.negative:
            if [str(v) for v in self.positive] != ["1"]:
                raise ValueError("say which value is the other one: negative: ...")
            object.__setattr__(self, "negative", (0,))
        if {str(v) for v in self.positive} & {str(v) for v in self.negative}:
            raise ValueError("a value is both positive and negative")
        return self


class NumberTarget(Part):
    """The outcome is a number in an agreed range."""

    type: Literal["number"]
    column: str
    unit: str | None = None
    range: Range
    missing: Cells = ()

    _range = field_validator("range")(_check_range)


class CountTarget(Part):
    """The outcome is a count, 0 or more, in an agreed range."""

    type: Literal["count"]
    column: str
    range: Range
    missing: Cells = ()

    _range = field_validator("range")(_check_range)

    @model_validator(mode="after")
    def _not_negative(self) -> Self:
        if self.range[0] < 0:
            raise ValueError("a count's range starts at 0 or above")
        return self


Target = Annotated[BinaryTarget | NumberTarget | CountTarget, Field(discriminator="type")]


class Offset(Part):
    """A column that enters the linear predictor with coefficient 1; ``log`` takes its logarithm (an exposure)."""

    column: str
    transform: Literal["log", "identity"] = "identity"
    range: Range

    _range = field_validator("range")(_check_range)

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

    _range = field_validator("range")(_check_range)

    @model_validator(mode="after")
    def _not_negative(self) -> Self:
        if self.range[0] < 0:
            raise ValueError("a weight's range starts at 0 or above")
        return self


class Model(Part):
    """A scikit-learn class, with that class's own parameter names."""

    # scikit-learn spells "no penalty" as C=inf.
    model_config = ConfigDict(allow_inf_nan=True)

    estimator: str
    params: dict[str, str | bool | int | float | None] = Field(default_factory=dict)
    standardize: bool = True

    @field_validator("params", mode="before")
    @classmethod
    def _numbers(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: _settled(item, infinite=True) for key, item in value.items()}
        return value

    @field_validator("params")
    @classmethod
    def _no_nan(cls, value: dict[str, Any]) -> dict[str, Any]:
        for key, item in value.items():
            if isinstance(item, float) and math.isnan(item):
                raise ValueError(f"{key} is not a number")
        return value


class Rules(Part):
    """What every silo agrees to enforce, and when the study stops."""

    aggregation: Literal["plain", "masked"] = "masked"
    min_rows: int = Field(default=10, ge=1)
    min_cell: int = Field(default=5, ge=1)
    rows_per_column: float = Field(default=5, ge=0)
    max_rows: int = Field(default=10_000_000, ge=1, le=2**40)
    min_silos: int = Field(default=3, ge=2)
    max_rounds: int = Field(default=12, ge=1, le=100)
    max_coefficient: float = Field(default=64, gt=0, le=2**20)
    tolerance: float = Field(default=1e-6, ge=1e-12, le=1e-1)


class Evaluation(Part):
    """Rows kept out of the fit, and whether a closing trip measures the final model on them."""

    holdout: float = Field(default=0.2, ge=0, lt=1)
    closing_trip: bool = False


class Member(Part):
    """One silo or the coordinator, with its public key as it was enrolled; a draft names the fingerprint only."""

    name: Name
    fingerprint: str
    key: dict[str, str] = Field(default_factory=dict)


class Study(Part):
    """The agreement. A draft has no coordinator and may lack silos; a frozen one has both."""

    study: Name
    title: str = ""
    target: Target
    features: dict[str, Feature] = Field(min_length=1)
    offset: Offset | None = None
    weight: Weight | None = None
    model: Model
    rules: Rules = Rules()
    evaluation: Evaluation = Evaluation()
    silos: tuple[Member, ...] = ()
    coordinator: Member | None = None

    @model_validator(mode="after")
    def _columns_once(self) -> Self:
        others = [part.column for part in (self.target, self.offset, self.weight) if part is not None]
        for column in others:
            if column in self.features or others.count(column) > 1:
                raise ValueError(f"column '{column}' has two roles")
        names = [silo.name for silo in self.silos]
        if len(set(names)) != len(names):
            raise ValueError("a silo is named twice")
        if self.coordinator is not None and self.coordinator.name in names:
            raise ValueError(f"'{self.coordinator.name}' is both coordinator and silo")
        return self

    @property
    def numbers(self) -> dict[str, NumberColumn]:
        """The number columns, in the order of the study."""
        return {name: column for name, column in self.features.items() if isinstance(column, NumberColumn)}

    @property
    def categories(self) -> dict[str, CategoryColumn]:
        """The category columns, in the order of the study."""
        return {name: column for name, column in self.features.items() if isinstance(column, CategoryColumn)}

    @property
    def silo_names(self) -> tuple[str, ...]:
        """Names of the silos, in the order of the roster."""
        return tuple(silo.name for silo in self.silos)


def valid_name(name: str) -> bool:
    """Return whether ``name`` can be a study's or a member's."""
    return re.fullmatch(NAME.strip("^$"), name) is not None
