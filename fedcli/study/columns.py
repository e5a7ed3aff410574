"""The features of an agreement: what kinds of column there are, and what each means as a number or as a level.

Owns the five types. Knows nothing of tables, local spellings or sums. Stable: part of the signed form.

Two kinds are all that the mathematics knows: a `Number` has an interval, a `Category` has levels. Counts and dates are
numbers, booleans are categories; what a cell's text means is settled by the agreement alone.
"""

from __future__ import annotations

import datetime
from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from fedcli.study.part import Cells, Part, Range, as_level, as_levels, check_range

ISO_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_DAYS_OF_A_YEAR = 365.25


def _refused(value: Any) -> Any:
    """Take ``impute: refuse`` for no imputation: a missing cell is then an error."""
    return None if value == "refuse" else value


class Number(Part):
    """A feature that becomes one number per row: on the scale of its interval, standardised by pooled moments.

    ``fill_value`` is for ``impute: constant``; ``indicator`` adds a column that is 1 where the value is missing.
    """

    LATER = frozenset({"fill_value", "indicator"})

    unit: str | None = None
    missing: Cells = ()
    impute: Literal["mean", "median", "constant"] | None = None
    outside: Literal["error", "missing", "clip"] = "error"
    fill_value: float | None = None
    indicator: bool = False

    _refuse = field_validator("impute", mode="before")(_refused)

    @property
    @abstractmethod
    def interval(self) -> Range:
        """The agreed range, as numbers in the agreed unit."""

    @property
    def fill(self) -> float | None:
        """What a missing cell is imputed with, in the agreed unit, where that is known before the first trip."""
        return self.fill_value

    @property
    def whole(self) -> bool:
        """Whether only whole numbers can be meant."""
        return False

    @property
    def middle(self) -> float:
        """Middle of the agreed range: 0 on the reference scale."""
        return (self.interval[0] + self.interval[1]) / 2

    @property
    def half(self) -> float:
        """Half of the agreed range: 1 on the reference scale."""
        return (self.interval[1] - self.interval[0]) / 2

    @model_validator(mode="after")
    def _imputation(self) -> Self:
        _check_fill(self.impute == "constant", self.fill_value is not None, "constant", "5")
        _check_indicator(self.impute is not None, self.indicator)
        if self.fill is not None and not self.interval[0] <= self.fill <= self.interval[1]:
            raise ValueError(f"fill_value {self.fill_value} lies outside the range")
        return self


class NumberColumn(Number):
    """A measured number. ``quantity`` names what is measured, where a conversion of units depends on it."""

    LATER = Number.LATER | {"quantity"}

    type: Literal["number"]
    range: Range
    quantity: str | None = None

    _range = field_validator("range")(check_range)

    @property
    def interval(self) -> Range:
        """See `Number.interval`."""
        return self.range


class CountColumn(Number):
    """A whole number, 0 or more: how many visits, children, cards."""

    type: Literal["count"]
    range: Range

    _range = field_validator("range")(check_range)

    @field_validator("range")
    @classmethod
    def _whole_range(cls, value: Range) -> Range:
        if value[0] < 0 or value[0] != int(value[0]) or value[1] != int(value[1]):
            raise ValueError("a count's range is two whole numbers, the first at 0 or above")
        return value

    @property
    def interval(self) -> Range:
        """See `Number.interval`."""
        return self.range

    @property
    def whole(self) -> bool:
        """See `Number.whole`."""
        return True


Day = Annotated[str, Field(pattern=ISO_DATE)]


def day_number(text: str, since: str) -> int:
    """Return the days from ``since`` to ``text``, both ISO 8601 (2024-02-29), in the Gregorian calendar.

    Raises
    ------
    ValueError
        There is no such day.
    """
    return (datetime.date.fromisoformat(text) - datetime.date.fromisoformat(since)).days


class DateColumn(Number):
    """A day, as the time since an agreed one: in days, or in years of 365.25 days (Julian years).

    The agreed spelling is ISO 8601, year-month-day; another one is the silo's own, in its ``silo.yaml``. Day and month
    are never guessed.
    """

    type: Literal["date"]
    range: tuple[Day, Day]
    since: Day = "2000-01-01"
    scale: Literal["days", "years"] = "years"
    fill_value: str | None = None  # type: ignore[assignment]

    @field_validator("range", "since", "fill_value")
    @classmethod
    def _real_days(cls, value: Any) -> Any:
        for text in (value,) if isinstance(value, str) else value or ():
            try:
                day_number(text, "2000-01-01")
            except ValueError as exc:
                raise ValueError(f"there is no day {text}: a date is written 2024-02-29") from exc
        return value

    @field_validator("range")
    @classmethod
    def _ordered(cls, value: tuple[str, str]) -> tuple[str, str]:
        if not value[0] < value[1]:
            raise ValueError(f"a range goes from the earlier to the later day, not from {value[0]} to {value[1]}")
        return value

    @property
    def days_per_unit(self) -> float:
        """How many days one unit of the agreed scale has."""
        return _DAYS_OF_A_YEAR if self.scale == "years" else 1.0

    def number(self, days: float) -> float:
        """Return a number of days since ``since`` on the agreed scale."""
        return days / self.days_per_unit

    @property
    def interval(self) -> Range:
        """See `Number.interval`."""
        return (
            self.number(day_number(self.range[0], self.since)),
            self.number(day_number(self.range[1], self.since)),
        )

    @property
    def fill(self) -> float | None:
        """See `Number.fill`."""
        return None if self.fill_value is None else self.number(day_number(self.fill_value, self.since))


class Category(Part):
    """A feature that becomes one of a few agreed levels: the first is the reference and has no column of its own.

    ``fill_value`` is for ``impute: level``; ``indicator`` adds a column that is 1 where the level is missing.
    """

    LATER = frozenset({"fill_value", "indicator"})

    missing: Cells = ()
    impute: Literal["mode", "level"] | None = None
    fill_value: str | None = None
    indicator: bool = False

    _refuse = field_validator("impute", mode="before")(_refused)

    @field_validator("fill_value", mode="before")
    @classmethod
    def _fill_as_text(cls, value: Any) -> Any:
        return value if value is None else as_level(value)

    @property
    @abstractmethod
    def agreed(self) -> tuple[str, ...]:
        """The levels, the reference first."""

    @property
    def small_level(self) -> str | None:
        """The level that takes in others which are too small to show; None where there is none."""
        return None

    @property
    def fill(self) -> int | None:
        """Index of the level that a missing cell is imputed with, where that is known before the first trip."""
        return None if self.fill_value is None else self.agreed.index(self.fill_value)

    @model_validator(mode="after")
    def _imputation(self) -> Self:
        _check_fill(self.impute == "level", self.fill_value is not None, "level", "female")
        _check_indicator(self.impute is not None, self.indicator)
        if self.fill_value is not None and self.fill_value not in self.agreed:
            raise ValueError(f"fill_value '{self.fill_value}' is no level: {', '.join(self.agreed)}")
        return self


class CategoryColumn(Category):
    """A feature with agreed levels, in an agreed order.

    ``reference: LEVEL`` is another way to say which is first. A level that a silo has too few rows of is merged into
    ``other``, at that silo, where the agreement names one.
    """

    LATER = Category.LATER | {"other"}

    type: Literal["category"]
    levels: tuple[str, ...] = Field(min_length=2)
    other: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _reference_first(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "reference" not in value:
            return value
        rest = {key: item for key, item in value.items() if key != "reference"}
        if not isinstance(rest.get("levels"), (list, tuple)):
            return rest
        levels, first = as_levels(rest["levels"], ("levels",)), as_level(value["reference"], ("reference",))
        if first not in levels:
            raise ValueError(f"the reference '{first}' is no level: {', '.join(levels)}")
        return {**rest, "levels": (first, *(level for level in levels if level != first))}

    @field_validator("levels", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return as_levels(value)

    @field_validator("other", mode="before")
    @classmethod
    def _other_as_text(cls, value: Any) -> Any:
        return value if value is None else as_level(value)

    @field_validator("levels")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("a level is named twice")
        return value

    @model_validator(mode="after")
    def _other_known(self) -> Self:
        if self.other is not None and self.other not in self.levels:
            raise ValueError(f"other '{self.other}' is no level: {', '.join(self.levels)}")
        return self

    @property
    def agreed(self) -> tuple[str, ...]:
        """See `Category.agreed`."""
        return self.levels

    @property
    def small_level(self) -> str | None:
        """See `Category.small_level`."""
        return self.other


class BooleanColumn(Category):
    """Yes or no; no is the reference. Read from true/false, yes/no, t/f, y/n and 1/0, whatever their case."""

    type: Literal["boolean"]
    levels: ClassVar[tuple[str, ...]] = ("false", "true")

    @property
    def agreed(self) -> tuple[str, ...]:
        """See `Category.agreed`."""
        return self.levels


NumberFeature = NumberColumn | CountColumn | DateColumn
CategoryFeature = CategoryColumn | BooleanColumn
Feature = Annotated[NumberFeature | CategoryFeature, Field(discriminator="type")]


def _check_fill(wanted: bool, given: bool, way: str, example: str) -> None:
    if wanted and not given:
        raise ValueError(f"impute: {way} needs the value: fill_value: {example}")
    if given and not wanted:
        raise ValueError(f"fill_value is for impute: {way}")


def _check_indicator(imputed: bool, indicator: bool) -> None:
    if indicator and not imputed:
        raise ValueError("indicator: true is for a column that is imputed: say how, with impute")
