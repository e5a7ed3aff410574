"""What all parts of an agreement have in common: strictness, values of cells, ranges, and fields that came later.

Owns the base class and the small types. Knows nothing of which parts there are. Internal.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, SerializerFunctionWrapHandler, model_serializer

Cell = str | int | float
Range = tuple[float, float]


def settled(value: Any, *, infinite: bool = False) -> Any:
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


def as_cell(value: Any) -> Any:
    """Take ``true`` for the text that stands in a table, and text that is a float's own spelling for that float."""
    return str(value).lower() if isinstance(value, bool) else settled(value)


def _as_cells(value: Any) -> Any:
    """Take one value for a list of one."""
    values = value if isinstance(value, (list, tuple)) else (value,)
    return tuple(as_cell(v) for v in values)


def as_levels(values: Any, path: tuple[str | int, ...] = ()) -> Any:
    """Return the names of levels as text; what is no list is left to be refused.

    Raises
    ------
    Placed
        One is null, a list or a section.
    """
    if not isinstance(values, (list, tuple)):
        return values
    return tuple(as_level(value, (*path, i)) for i, value in enumerate(values))


def as_level(value: Any, path: tuple[str | int, ...] = ()) -> str:
    """Return the name of a level as text.

    Raises
    ------
    Placed
        It is null, a list or a section.
    """
    if value is None:
        raise Placed(path, 'null is no level: put the word in quotes if it is one, "null" or "None"')
    if isinstance(value, (list, tuple, dict)):
        raise Placed(path, "a level is text or a number")
    return str(as_cell(value))


Cells = Annotated[tuple[Cell, ...], BeforeValidator(_as_cells)]


class Placed(ValueError):
    """What is wrong with one part, found by a part above it: ``path`` says where in that."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.path = path


class Part(BaseModel):
    """Common to all parts: unknown keys are refused, nothing changes after reading.

    ``LATER`` names fields that studies frozen by earlier versions do not have. They are written only where they say
    something, so that such a study still has the one canonical form that was signed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)
    LATER: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_silence(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped: dict[str, Any] = handler(self)
        fields = type(self).model_fields
        for name in self.LATER:
            if getattr(self, name) == fields[name].get_default(call_default_factory=True):
                dumped.pop(name, None)
        return dumped


def check_range(value: Range) -> Range:
    """Refuse a range that is empty, infinite or too narrow to divide by."""
    if not value[0] < value[1]:
        raise ValueError(f"a range goes from the smaller to the larger value, not from {value[0]:g} to {value[1]:g}")
    if not (max(map(abs, value)) <= 1e100 and value[1] - value[0] >= 1e-100):
        raise ValueError("a range lies between -1e100 and 1e100 and is at least 1e-100 wide")
    return value
