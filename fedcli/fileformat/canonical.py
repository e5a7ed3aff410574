"""Canonical JSON: one value, one text. What is signed is text, so two texts for one value would be two documents.

Owns the rule "canonical by rejection": a text is accepted only if writing its value again gives the same bytes. Knows
nothing of what the documents mean. Stable: the form is documented in ``docs/format.md``.

Keys are sorted, nothing is spaced, everything is ASCII, and there are no floats: readers of other languages round and
spell them differently. RFC 8785 canonicalises floats instead; that buys nothing when there are none.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from fedcli.errors import BadDocument

MAX_DEPTH = 16
# Larger integers do not survive readers that hold every number as a double, `jq` and JavaScript among them.
_MAX_INT = 2**53
_HINT = "ask the sender to make the file again with fedcli; it is not edited or re-saved by other programs"


def dumps(obj: Any) -> bytes:
    """Return the canonical bytes of a value.

    Parameters
    ----------
    obj : dict, list, str, int, bool or None
        Nested at most 16 deep; keys are str; integers are smaller than ``2**53`` in absolute value.

    Raises
    ------
    ValueError
        The value has no canonical form: a programmer's mistake, never a file's.

    Examples
    --------
    >>> dumps({"round": 2, "from": "north"})
    b'{"from":"north","round":2}'
    """
    _check(obj, 1)
    return json.dumps(obj, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def loads(data: bytes, *, limit: int) -> Any:
    """Read a canonical document.

    Parameters
    ----------
    data : bytes
    limit : int
        Largest length that is looked at [bytes].

    Raises
    ------
    BadDocument
        The text is too long, is no JSON, or is not the one text that `dumps` writes for its value. Python's own reader
        would take duplicate keys (the last wins), NaN, ``1e999`` and lone surrogates.
    """
    if len(data) > limit:
        raise BadDocument(f"the document has {len(data):,} bytes, at most {limit:,} are allowed", hint=_HINT)
    try:
        obj = json.loads(data.decode("ascii"), parse_float=_no_float, parse_constant=_no_float)
        again = dumps(obj)
    except UnicodeDecodeError as exc:
        raise BadDocument(f"the document is not ASCII at byte {exc.start}", hint=_HINT) from exc
    except json.JSONDecodeError as exc:
        raise BadDocument(f"the document is not JSON at byte {exc.pos}", hint=_HINT) from exc
    except RecursionError as exc:
        raise BadDocument(f"the document is nested deeper than {MAX_DEPTH}", hint=_HINT) from exc
    except ValueError as exc:
        # From `dumps` or `_no_float`, or Python's refusal to read an integer of thousands of digits.
        raise BadDocument(f"the document is not canonical: {_reason(exc)}", hint=_HINT) from exc
    if again != data:
        at = next((i for i, (a, b) in enumerate(zip(again, data, strict=False)) if a != b), min(len(again), len(data)))
        raise BadDocument(f"the document is not canonical at byte {at}", hint=_HINT)
    return obj


class _NotCanonical(ValueError):
    pass


def _reason(exc: ValueError) -> str:
    return str(exc) if isinstance(exc, _NotCanonical) else "it holds an integer that is too large"


def _no_float(text: str) -> NoReturn:
    raise _NotCanonical("it holds a number that is no integer")


def _check(obj: Any, depth: int) -> None:
    kind = type(obj)
    if kind is str:
        # A lone surrogate is no character: it cannot be encoded, shown or compared outside Python.
        if not obj.isascii() and any("\ud800" <= c <= "\udfff" for c in obj):
            raise _NotCanonical("it holds half of a character")
    elif kind is int:
        if not -_MAX_INT < obj < _MAX_INT:
            raise _NotCanonical("it holds an integer of 54 bits or more")
    elif kind is dict or kind is list:
        if depth > MAX_DEPTH:
            raise _NotCanonical(f"it is nested deeper than {MAX_DEPTH}")
        if kind is dict:
            for key in obj:
                if type(key) is not str:
                    raise _NotCanonical("a key is not text")
                _check(key, depth)
        for item in obj.values() if kind is dict else obj:
            _check(item, depth + 1)
    elif kind is not bool and obj is not None:
        raise _NotCanonical(f"it holds a {kind.__name__}")
