"""In which unit a column seems to be kept here, and the line of ``silo.yaml`` that would say so.

Owns what a warning and an error share, which say it of columns that are read or refused. Must not know rows beyond a
sample of their values. Internal. Only measured numbers have a unit: counts and days have none to convert.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedcli.data.mapping import Mapping
from fedcli.data.plausible import ORDINARY, factors_that_fit, middle, units_that_fit, unusual
from fedcli.data.saying import silo_line
from fedcli.fileformat.statistics import FloatArray
from fedcli.study.document import NumberColumn, NumberTarget, Offset, Study, TimeColumn, Weight
from fedcli.study.yaml import comment, scalar

# A median of fewer values says little.
ENOUGH = 20


@dataclass(frozen=True)
class Seeming:
    """What a column's values suggest.

    Parameters
    ----------
    outside : bool
        Whether their middle one lies outside the agreed range, so that most do.
    units : tuple of str
        In which they would be ordinary, best first.
    factors : tuple of str
        Which bring them into the range, where no unit does.
    line : str
        What would say the first of these in ``silo.yaml``; a word to fill in where there is none, or several factors.
    """

    outside: bool
    units: tuple[str, ...]
    factors: tuple[str, ...]
    line: str

    @property
    def write(self) -> str:
        """What to write, and when."""
        when = f"it is in {self.units[0]} here" if self.units else "that is the unit here"
        return f"if {when}, write in silo.yaml under columns: {self.line}"


def seeming(study: Study, mapping: Mapping, column: str, values: FloatArray) -> Seeming | None:
    """Return what a column's values suggest about its unit; None where nothing is odd, or nothing can be said.

    Parameters
    ----------
    study : Study
    mapping : Mapping
        What the silo states of its unit is undone first: it may be what is wrong.
    column : str
        The agreed name.
    values : ndarray of shape (n,)
        In the agreed unit, as far as it is known; NaN where there is none.
    """
    part = study.part(column)
    present = values[np.isfinite(values)]
    if not isinstance(part, (NumberColumn, NumberTarget, Offset, TimeColumn, Weight)) or not present.size:
        return None
    if not unusual(present, part.range):
        return None
    outside = not part.range[0] <= middle(present) <= part.range[1]
    own, unit = mapping.of(column), getattr(part, "unit", None)
    enough = len(present) >= ENOUGH
    written = (present - own.add) / own.multiply
    # As if nothing were stated: a unit that the silo names may be the wrong one.
    as_agreed = (own.multiply, own.add) != (1.0, 0.0) and part.range[0] <= middle(written) <= part.range[1]
    units: list[str] = [unit] if unit is not None and as_agreed else []
    if unit is not None and enough and not units:
        units = units_that_fit(written, part.range, unit, getattr(part, "quantity", None), margin=ORDINARY)
    if units:
        line = silo_line(mapping, column, "unit", scalar(units[0]))
        return Seeming(outside, tuple(map(comment, units)), (), line)
    if not outside:
        return None
    found = [1.0] if as_agreed else factors_that_fit(written, part.range) if enough else []
    if unit is not None and not found:
        return Seeming(outside, (), (), silo_line(mapping, column, "unit", "UNIT"))
    line = silo_line(mapping, column, "multiply", f"{found[0]:.10g}" if len(found) == 1 else "FACTOR")
    return Seeming(outside, (), tuple(f"{factor:.4g}" for factor in found), line)
