"""What a study asks of each row: yes or no, one of several classes, a number, a count, a time, or nothing at all.

Owns the kinds of outcome and what each may say. Knows nothing of features, models or tables. Stable: the JSON form is
signed.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from fedcli.study.part import Cells, Part, Range, as_levels, check_range


class _YesOrNo(Part):
    """A column that says yes or no; ``positive`` and ``negative`` each name one value, or a list of values."""

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

    @property
    def spellings(self) -> tuple[tuple[str, int], ...]:
        """Each agreed value with the number of its class: 0 is negative, 1 positive."""
        return tuple((str(v), 1) for v in self.positive) + tuple((str(v), 0) for v in self.negative)

    @property
    def n_classes(self) -> int:
        """How many classes there are."""
        return 2

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the classes are called on a screen, in the order of their numbers."""
        return ("negative", "positive")


class BinaryTarget(_YesOrNo):
    """The outcome is yes or no."""

    type: Literal["binary"]
    column: str


class NumberTarget(Part):
    """The outcome is a number in an agreed range; ``quantity`` as in `NumberColumn`."""

    LATER = frozenset({"quantity"})

    type: Literal["number"]
    column: str
    unit: str | None = None
    quantity: str | None = None
    range: Range
    missing: Cells = ()

    _range = field_validator("range")(check_range)


class CountTarget(Part):
    """The outcome is a count, 0 or more, in an agreed range."""

    type: Literal["count"]
    column: str
    range: Range
    missing: Cells = ()

    _range = field_validator("range")(check_range)

    @model_validator(mode="after")
    def _not_negative(self) -> Self:
        if self.range[0] < 0:
            raise ValueError("a count's range starts at 0 or above")
        return self


class CategoryTarget(Part):
    """The outcome is one of several agreed classes; their order is that of the coefficients."""

    type: Literal["category"]
    column: str
    levels: tuple[str, ...] = Field(min_length=2)
    missing: Cells = ()

    @field_validator("levels", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return as_levels(value)

    @field_validator("levels")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("a class is named twice")
        return value

    @property
    def spellings(self) -> tuple[tuple[str, int], ...]:
        """Each agreed value with the number of its class."""
        return tuple((level, code) for code, level in enumerate(self.levels))

    @property
    def n_classes(self) -> int:
        """How many classes there are."""
        return len(self.levels)

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the classes are called on a screen, in the order of their numbers."""
        return self.levels


class TimeColumn(Part):
    """A column of times of a `SurvivalTarget`, with what that says of both."""

    column: str
    unit: str | None = None
    quantity: str | None = None
    range: Range
    missing: Cells = ()


class SurvivalTarget(_YesOrNo):
    """The outcome is whether and when something happened: ``event`` says whether, ``time`` until when a row was seen.

    With ``entry`` a row is seen from that time on only. ``range`` and ``unit`` hold for both columns of times,
    ``missing`` for all columns.
    """

    type: Literal["survival"]
    time: str
    event: str
    entry: str | None = None
    unit: str | None = None
    quantity: str | None = None
    range: Range

    _range = field_validator("range")(check_range)

    @model_validator(mode="after")
    def _three_columns(self) -> Self:
        columns = [column for column in (self.event, self.time, self.entry) if column is not None]
        if len(set(columns)) != len(columns):
            raise ValueError("time, event and entry are different columns")
        return self

    @property
    def column(self) -> str:
        """The column that says yes or no."""
        return self.event

    @property
    def times(self) -> tuple[TimeColumn, ...]:
        """The columns of times: until when a row was seen and, if there is one, from when on."""
        return tuple(
            TimeColumn(column=column, unit=self.unit, quantity=self.quantity, range=self.range, missing=self.missing)
            for column in (self.time, self.entry)
            if column is not None
        )


class NoTarget(Part):
    """Nothing is predicted: the model describes the features alone. A study without ``target:`` means this."""

    type: Literal["none"] = "none"
    column: ClassVar[str] = ""


# Outcomes that are one of a few classes: their spellings are read as levels are.
ClassTarget = BinaryTarget | CategoryTarget | SurvivalTarget
Target = Annotated[
    BinaryTarget | CategoryTarget | NumberTarget | CountTarget | SurvivalTarget | NoTarget, Field(discriminator="type")
]
