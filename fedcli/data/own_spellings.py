"""What a ``silo.yaml`` says of a category's cells, held to what the agreement says of them.

Owns the agreed spellings of each column, and what a silo cannot mean at once. Must not know YAML or rows. Internal.

A silo may give an agreed spelling another meaning, since its 1 may be the agreed 2. It then says as well how the level
that lost its spelling is written here: else one group would be counted as another, and nobody would see it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fedcli.data.thousands import number_parted
from fedcli.study.document import BinaryTarget, BooleanColumn, Category, Cell, ClassTarget, Study
from fedcli.study.spelling import YES_OR_NO, identity, number_of, plain
from fedcli.study.yaml import comment, scalar

_ANSWERS = ("no", "yes")
_Found = Callable[[Cell], str | float]


class Contradiction(ValueError):
    """A silo means two things at once; ``path`` says where below the column, ``hint`` what to write."""

    def __init__(self, path: tuple[str | int, ...], message: str, hint: str) -> None:
        super().__init__(message)
        self.path = path
        self.hint = hint


def agreed_spellings(study: Study, column: str) -> list[tuple[str, int]]:
    """Return each agreed spelling of a category, or of an outcome's classes, with its code; of other columns none."""
    feature, target = study.features.get(column), study.target
    if isinstance(feature, BooleanColumn):
        return list(YES_OR_NO)
    if isinstance(feature, Category):
        return [(level, i) for i, level in enumerate(feature.agreed)]
    if isinstance(target, ClassTarget) and column == target.column:
        return list(target.spellings)
    return []


def check_own(
    study: Study, column: str, levels: Mapping[str, str], missing: Sequence[Cell], *, thousands: str = ""
) -> None:
    """Refuse a silo's spellings that contradict each other, or take an agreed level its only spelling.

    Parameters
    ----------
    study : Study
    column : str
        The agreed name.
    levels : mapping of str to str
        Local spelling to agreed level.
    missing : sequence of str or number
        The silo's own codes; that one of the study's means a level here is the silo's to say.
    thousands : str
        Signs that part thousands in the silo's own spellings.

    Raises
    ------
    Contradiction
    """

    def own(value: Cell) -> str | float:
        """Return what a spelling of the silo's is compared by."""
        number = number_parted(plain(value), thousands) if thousands and isinstance(value, str) else None
        return number if number is not None else identity(value)

    _check_once(levels, missing, own)
    agreed = agreed_spellings(study, column)
    if not agreed:
        return
    if isinstance(study.features.get(column), BooleanColumn):
        # Yes and no are found in any case.
        _check_left(agreed, levels, missing, lambda value: own(plain(value).casefold()), answers=True, kind="level")
    else:
        kind = "value" if isinstance(study.part(column), BinaryTarget) else "level"
        _check_left(agreed, levels, missing, own, answers=False, kind=kind)


def _check_once(levels: Mapping[str, str], missing: Sequence[Cell], found: _Found) -> None:
    """Refuse a spelling with two meanings."""
    meant: dict[str | float, str] = {}
    for local, level in levels.items():
        before = meant.setdefault(found(local), level)
        if before != level:
            raise Contradiction(
                ("levels", local),
                f"the spelling '{_said(local)}' is mapped both to '{_said(before)}' and to '{_said(level)}'",
                "blanks around it do not count, and numbers go by their value: keep one",
            )
    for i, code in enumerate(missing):
        if found(code) in meant:
            raise Contradiction(
                ("missing", i),
                f"'{_said(code)}' is mapped to '{_said(meant[found(code)])}' and means 'not known' too",
                "take it out of levels or of missing",
            )


def _check_left(
    agreed: Sequence[tuple[str, int]],
    levels: Mapping[str, str],
    missing: Sequence[Cell],
    found: _Found,
    *,
    answers: bool,
    kind: str,
) -> None:
    """Refuse that an agreed level has no spelling left; ``answers`` are yes and no."""
    codes = {identity(text): code for text, code in agreed}
    names = _ANSWERS if answers else {code: text for text, code in reversed(agreed)}
    # What each agreed spelling that is used otherwise means here.
    changed: dict[tuple[str | int, ...], tuple[Cell, str]] = {}
    for local, level in levels.items():
        code = codes[identity(level)]
        if codes.get(found(local), code) != code:
            changed["levels", local] = local, f"mapped to '{_said(names[code])}'"
    for i, value in enumerate(missing):
        if found(value) in codes:
            changed["missing", i] = value, "taken for missing"
    taken = {found(value) for value, _ in changed.values()}
    written = {codes[identity(level)] for level in levels.values()}
    # Of the many ways to write yes and no a table uses one: that others are left says nothing.
    written |= set() if answers else {code for text, code in agreed if identity(text) not in taken}
    for path, (value, use) in changed.items():
        code = codes[found(value)]
        if code in written:
            continue
        name = names[code]
        is_one = f"is read as {name}" if answers else f"is itself an agreed {kind}"
        raise Contradiction(
            path,
            f"'{_said(value)}' {is_one} and is {use}: no row would be '{_said(name)}'",
            f"say as well how '{_said(name)}' is written here: levels: "
            f"{{SPELLING: {name if number_of(name) is not None else comment(scalar(name))}}}",
        )


def _said(value: Cell) -> str:
    return comment(plain(value))
