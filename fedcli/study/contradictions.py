"""What an agreement cannot mean at once: two levels that are one cell, or a code that is missing and a level.

Owns the sentences. Must not know tables. Internal. A draft that says so is refused, since what a cell means would
depend on how its table is kept, or a level would never be read. A study that was frozen before this was refused still
opens, and means what it meant: its files must verify for ever, and its silos are told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from fedcli.study.columns import BooleanColumn, Category, Feature
from fedcli.study.part import Cell, Placed
from fedcli.study.spelling import YES_OR_NO, identity, plain
from fedcli.study.targets import BinaryTarget, CategoryTarget, Target

# The context of pydantic's validation in which contradictions pass.
ALREADY_SIGNED: Mapping[str, Any] = MappingProxyType({"already signed": True})
_ANSWERS = {identity(text): ("no", "yes")[code] for text, code in YES_OR_NO}


def contradictions(features: Mapping[str, Feature], target: Target) -> Iterator[Placed]:
    """Yield what contradicts itself, the outcome's first: each error with its place in ``study.yaml``."""
    if isinstance(target, BinaryTarget):
        yes = {identity(value) for value in target.positive}
        for i, value in enumerate(target.negative):
            if identity(value) in yes:
                raised = f"'{plain(value)}' is both positive and negative"
                yield Placed(("target", "negative", i), raised)
        values = (*target.positive, *target.negative)
        yield from _missing(target.missing, values, ("target",), "a value of the outcome")
    elif isinstance(target, CategoryTarget):
        yield from _levels(target.levels, ("target",))
        yield from _missing(target.missing, target.levels, ("target",), "a level")
    for name, feature in features.items():
        path = ("features", name)
        if isinstance(feature, BooleanColumn):
            for i, code in enumerate(feature.missing):
                answer = _ANSWERS.get(identity(plain(code).casefold()))
                if answer is not None:
                    raised = f"'{plain(code)}' is read as {answer}, and cannot mean that nothing is known"
                    yield Placed((*path, "missing", i), raised)
        elif isinstance(feature, Category):
            yield from _levels(feature.agreed, path)
            yield from _missing(feature.missing, feature.agreed, path, "a level")


def _levels(levels: Sequence[str], path: tuple[str, ...]) -> Iterator[Placed]:
    seen: dict[str | float, str] = {}
    for level in levels:
        key = identity(level)
        if key == "":
            raised = "a level without a sign is an empty cell, which is missing: give it a name"
            yield Placed((*path, "levels"), raised)
        elif key in seen and plain(seen[key]) == plain(level):
            raised = f"'{plain(level)}' is named twice: blanks around it do not count, nor how accents are encoded"
            yield Placed((*path, "levels"), raised)
        elif key in seen:
            raised = f"'{plain(seen[key])}' and '{plain(level)}' are the same number, and no two levels"
            yield Placed((*path, "levels"), raised)
        seen.setdefault(key, level)


def _missing(codes: Sequence[Cell], agreed: Sequence[Cell], path: tuple[str, ...], what: str) -> Iterator[Placed]:
    known = {identity(value) for value in agreed}
    for i, code in enumerate(codes):
        if identity(code) in known:
            raised = f"'{plain(code)}' is also {what}, and would never be read"
            yield Placed((*path, "missing", i), raised)
