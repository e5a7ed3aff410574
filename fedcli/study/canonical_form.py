"""The frozen form of a study: the JSON object that is signed, and back.

Owns the two directions and the identity of a study. Knows nothing of bytes on disk, keys or YAML. No floats appear:
they travel as their shortest decimal string (`repr`), so that every implementation signs the same text. Stable.
"""

from __future__ import annotations

import hashlib
from typing import Any

from pydantic import ValidationError

from fedcli.errors import BadDocument
from fedcli.fileformat import canonical
from fedcli.study.contradictions import ALREADY_SIGNED
from fedcli.study.document import Study

# Sections whose order counts: it is the order of the coefficients.
_ORDERED = frozenset({"features", "terms"})


def to_json(study: Study) -> dict[str, Any]:
    """Return the study as JSON values without floats, every default spelt out.

    ``from_json(to_json(study)) == study`` for every study.
    """
    dumped = study.model_dump(mode="python")
    # A list, because canonical JSON sorts keys and the features' order is the order of the coefficients.
    for part in _ORDERED & dumped.keys():
        dumped[part] = [{"name": name, **column} for name, column in dumped[part].items()]
    return {key: _without_floats(value) for key, value in dumped.items()}


def from_json(obj: object) -> Study:
    """Read the frozen form back, strictly: only what `to_json` writes is accepted.

    What `contradictions` names is not refused: it was signed before drafts that hold it were.

    Raises
    ------
    BadDocument
        The object breaks the schema, leaves a default out, or spells a value in another way.
    """
    hint = "ask the coordinator for the study file again; it was not written by 'fedcli study freeze'"
    try:
        study = Study.model_validate(_by_name(obj), context=ALREADY_SIGNED)
    except ValidationError as exc:
        place = ".".join(str(part) for part in exc.errors()[0]["loc"]) or "the whole"
        raise BadDocument(f"the frozen study breaks its schema at {place}", hint=hint) from exc
    # What a reader would lay out afresh must be what was signed: this also refuses 1 for True and "1e-6" for "1e-06".
    if not _same(to_json(study), obj):
        raise BadDocument("the frozen study is not in canonical form", hint=hint)
    return study


def study_id(payload: bytes) -> str:
    """Return the identity of a frozen study: SHA-256, in hexadecimal, of the canonical bytes that were signed."""
    return hashlib.sha256(payload).hexdigest()


def study_payload(study: Study) -> bytes:
    """Return the canonical bytes of a study, whose hash is its id."""
    return canonical.dumps(to_json(study))


def _by_name(obj: object) -> object:
    if not isinstance(obj, dict):
        return obj
    for part in _ORDERED:
        columns = obj.get(part)
        if not isinstance(columns, list):
            continue
        if not all(isinstance(column, dict) and isinstance(column.get("name"), str) for column in columns):
            return obj
        named = {column["name"]: {key: value for key, value in column.items() if key != "name"} for column in columns}
        obj = {**obj, part: named}
    return obj


def _without_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_floats(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_floats(item) for item in value]
    return repr(value) if isinstance(value, float) else value


def _same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)
