"""In which unit a column seems to be kept here, and the line of ``silo.yaml`` that would say so.

Owns what a warning, an error and a proposal share, which say it of columns that are read, refused or not yet read. Must
not know rows beyond a sample of their values. Internal. Only measured numbers have a unit: counts and days have none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedcli.data.mapping import Mapping
from fedcli.data.plausible import ENOUGH, factors_that_fit, middle, odd_unit
from fedcli.data.saying import silo_line
from fedcli.data.units import Conversion
from fedcli.fileformat.statistics import FloatArray
from fedcli.study.document import NumberColumn, NumberTarget, Offset, Study, TimeColumn, Weight
from fedcli.study.yaml import comment, scalar


@dataclass(frozen=True)
class Seeming:
    """What a column's values suggest.

    Parameters
    ----------
    where : str
        ``outside`` the agreed range is their middle one, so that most are; at its ``end``; or ``elsewhere`` than where
        the quantity usually is.
    units : tuple of str
        In which most would lie inside, best first.
    factors : tuple of str
        Which bring them into the range, where no unit does.
    value : str
        What to write for the unit or factor: a word to fill in, unless one alone fits.
    line : str
        What would say so in ``silo.yaml``.
    complete : bool
        Whether there is no unit of which fedcli cannot tell, since the study does not say what is measured.
    """

    where: str
    units: tuple[str, ...]
    factors: tuple[str, ...]
    value: str
    line: str
    complete: bool = True

    @property
    def outside(self) -> bool:
        """Whether the middle value lies outside the agreed range."""
        return self.where == "outside"

    @property
    def named(self) -> str:
        """The units, and what may be lacking among them."""
        between = " (between mg/dl and mmol/l fedcli converts only where the study names the quantity)"
        return " or ".join(self.units) + ("" if self.complete else between)

    @property
    def write(self) -> str:
        """What to write, and when."""
        if not self.units or self.value == self.units[0]:
            when = f"it is in {self.units[0]} here" if self.units else "that is the unit here"
            return f"if {when}, write in silo.yaml under columns: {self.line}"
        them = "one of them" if len(self.units) > 1 else "that one"
        return f"if it is {them}, write in silo.yaml under columns, with it for UNIT: {self.line}"


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
    own, unit = mapping.of(column), getattr(part, "unit", None)
    stated = Conversion(own.multiply, own.add)
    # As if nothing were stated: a unit that the silo names may be the wrong one.
    written = (present - own.add) / own.multiply
    odd = odd_unit(written, part.range, unit, getattr(part, "quantity", None), stated)
    if odd is None:
        return None
    if odd.units:
        value = scalar(odd.units[0]) if len(odd.units) == 1 and odd.complete else "UNIT"
        line = silo_line(mapping, column, "unit", value)
        return Seeming(odd.where, tuple(map(comment, odd.units)), (), value, line, odd.complete)
    as_agreed = stated != Conversion(1.0) and part.range[0] <= middle(written) <= part.range[1]
    found = [1.0] if as_agreed else factors_that_fit(written, part.range) if len(present) >= ENOUGH else []
    if unit is not None and not found:
        return Seeming(odd.where, (), (), "UNIT", silo_line(mapping, column, "unit", "UNIT"))
    value = f"{found[0]:.10g}" if len(found) == 1 else "FACTOR"
    line = silo_line(mapping, column, "multiply", value)
    return Seeming(odd.where, (), tuple(f"{factor:.4g}" for factor in found), value, line)
