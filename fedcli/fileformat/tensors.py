"""Named arrays as a safetensors file: one byte string for one set of arrays, read strictly.

Owns the header and the order of the bytes. Knows nothing of what the arrays mean, of keys or of disk. Stable: the
``safetensors`` library loads what is written here.

The library is not used for reading: it takes duplicate names, other spellings of the same header and arrays that nobody
agreed to, and it wants the whole file in memory.

References
----------
The format: https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcli.errors import BadDocument, BadTensors
from fedcli.fileformat import canonical

# Little-endian on every machine; all of them 8 bytes wide, so that any order is aligned.
DTYPES = {"F64": np.dtype("<f8"), "U64": np.dtype("<u8")}
TABLE_LIMIT = 2**20
METADATA_LIMIT = 2**23
# Quotes of a document inside the metadata are escaped, which at most doubles it.
_HEADER_LIMIT = TABLE_LIMIT + 2 * METADATA_LIMIT + 2**16
_DATA_LIMIT = 2**33
_WIDTH = 8
_CHUNK = 2**20
_META = "__metadata__"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:\[\]-]{0,199}")
_HINT = "ask the sender to make the file again with the fedcli version that the study was frozen with"

AnyArray = NDArray[Any]
Expected = Mapping[str, tuple[str, Sequence[int]]]


@dataclass(frozen=True)
class TensorFile:
    """Named arrays and named texts.

    Parameters
    ----------
    arrays : mapping of str to ndarray of float64 or uint64
        Finite; any shape.
    metadata : mapping of str to str
        Texts that belong to the arrays; at most 8 MiB together.
    """

    arrays: Mapping[str, AnyArray]
    metadata: Mapping[str, str] = field(default_factory=dict)

    def chunks(self) -> Iterator[bytes]:
        """Yield the file in pieces of at most 1 MiB; the arrays are not copied as a whole.

        Raises
        ------
        ValueError
            An array cannot be sent: another dtype, not finite, or a name that no reader takes.
        """
        header = self._header()
        for name in sorted(self.arrays):
            _check_array(name, self.arrays[name])
        for at in range(0, len(header), _CHUNK):
            yield header[at : at + _CHUNK]
        for name in sorted(self.arrays):
            array = self.arrays[name]
            flat = np.ascontiguousarray(array, dtype=DTYPES[_dtype_name(array)]).reshape(-1)
            for at in range(0, flat.size, _CHUNK // _WIDTH):
                yield flat[at : at + _CHUNK // _WIDTH].tobytes()

    @property
    def size(self) -> int:
        """Length of the file [bytes]."""
        return len(self._header()) + sum(array.size * _WIDTH for array in self.arrays.values())

    def _header(self) -> bytes:
        shapes = {name: (_dtype_name(array), array.shape) for name, array in self.arrays.items()}
        return _header_bytes(shapes, self.metadata)


def encoded_size(expected: Expected, metadata: Mapping[str, str]) -> int:
    """Return the length of the file that arrays of these dtypes and shapes make [bytes], without the arrays."""
    return len(_header_bytes(expected, metadata)) + sum(math.prod(shape) * _WIDTH for _, shape in expected.values())


def decode(chunks: Iterable[bytes] | bytes | bytearray | memoryview, expected: Expected | None) -> TensorFile:
    """Read arrays, strictly: only the bytes that `TensorFile.chunks` writes are taken.

    Parameters
    ----------
    chunks : iterable of bytes, or one buffer
        The whole file, in pieces of any size; read to its end, so that what checks itself there is checked.
    expected : mapping of str to (dtype, shape), or None
        What the study lays down: the names, ``F64`` or ``U64``, and shapes. None takes what comes, up to 8 GiB.

    Raises
    ------
    BadTensors
        The arrays are not the expected ones, a number is not finite, or the bytes are not canonical.
    """
    feed = _Feed((chunks,) if isinstance(chunks, (bytes, bytearray, memoryview)) else chunks)
    length = int.from_bytes(feed.take(8), "little")
    if length > _HEADER_LIMIT:
        raise _bad(f"the header of the arrays claims {length:,} bytes, at most {_HEADER_LIMIT:,} are allowed")
    found, metadata = _parse_header(feed.take(length))
    if expected is not None:
        _compare(found, expected)
    arrays: dict[str, AnyArray] = {}
    for name in sorted(found):
        dtype, shape = found[name]
        try:
            array = np.empty(shape, dtype=DTYPES[dtype])
        except (MemoryError, ValueError) as exc:
            raise _bad(f"array '{name}' of {math.prod(shape):,} numbers does not fit into memory") from exc
        feed.fill(array.reshape(-1).view(np.uint8).data, name)
        if not _is_finite(array):
            raise _bad(f"array '{name}' holds a number that is not finite")
        arrays[name] = array
    feed.expect_end()
    return TensorFile(arrays, metadata)


def _header_bytes(shapes: Expected, metadata: Mapping[str, str]) -> bytes:
    """Return the header, with its length before it and spaces behind it up to a multiple of 8."""
    table: dict[str, Any] = {}
    at = 0
    for name in sorted(shapes):
        dtype, shape = shapes[name]
        if not _NAME.fullmatch(name) or dtype not in DTYPES:
            raise ValueError(f"array '{name}' of dtype {dtype} cannot be written")
        end = at + math.prod(shape) * _WIDTH
        table[name] = {"dtype": dtype, "shape": [int(n) for n in shape], "data_offsets": [at, end]}
        at = end
    if at > _DATA_LIMIT or len(canonical.dumps(table)) > TABLE_LIMIT:
        raise ValueError(f"{len(table)} arrays of {at} bytes are too large for one file")
    if metadata:
        if sum(len(key) + len(text) for key, text in metadata.items()) > METADATA_LIMIT:
            raise ValueError("the metadata are too large for one file")
        table[_META] = dict(metadata)
    text = canonical.dumps(table)
    text += b" " * (-len(text) % _WIDTH)
    return len(text).to_bytes(8, "little") + text


def _parse_header(text: bytes) -> tuple[dict[str, tuple[str, tuple[int, ...]]], dict[str, str]]:
    try:
        table = canonical.loads(text.rstrip(b" "), limit=_HEADER_LIMIT)
    except BadDocument as exc:
        raise _bad(f"in the header of the arrays, {exc.message}") from exc
    if not isinstance(table, dict):
        raise _bad("the header of the arrays is no table")
    metadata = table.pop(_META, {})
    if type(metadata) is not dict or not all(type(value) is str for value in metadata.values()):
        raise _bad("the metadata of the arrays are not texts")
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    for name, entry in table.items():
        entry = entry if type(entry) is dict else {}
        dtype, shape = entry.get("dtype", ""), entry.get("shape", "")
        good = _NAME.fullmatch(name) and type(dtype) is str and dtype in DTYPES and type(shape) is list
        if not good or len(shape) > 8 or not all(type(n) is int and 0 <= n < 2**40 for n in shape):
            raise _bad(f"array '{name[:80]}' is none that fedcli writes")
        found[name] = (dtype, tuple(shape))
    try:
        again = _header_bytes(found, metadata)
    except ValueError as exc:
        raise _bad(f"the header of the arrays is not canonical: {exc}") from exc
    # Writing it again is the whole check of offsets: no hole, no overlap, no other order, no other padding.
    if again[8:] != text:
        raise _bad("the header of the arrays is not canonical: its offsets, keys or padding are others than fedcli's")
    return found, metadata


def _compare(found: Expected, expected: Expected) -> None:
    for name in sorted(found.keys() | expected.keys()):
        if name not in found:
            raise _bad(f"array '{name}' is missing")
        if name not in expected:
            raise _bad(f"array '{name}' is not in the study's layout")
        dtype, shape = found[name]
        if dtype != expected[name][0] or tuple(shape) != tuple(expected[name][1]):
            wanted = f"{expected[name][0]} of shape {list(expected[name][1])}"
            raise _bad(f"array '{name}' is {dtype} of shape {list(shape)}, the study lays down {wanted}")


def _dtype_name(array: AnyArray) -> str:
    for name, dtype in DTYPES.items():
        if array.dtype == dtype:
            return name
    raise ValueError(f"arrays are float64 or uint64, not {array.dtype}")


def _check_array(name: str, array: AnyArray) -> None:
    if not _is_finite(array):
        raise ValueError(f"array '{name}' holds a number that is not finite")


def _is_finite(array: AnyArray) -> bool:
    if array.dtype.kind != "f":
        return True
    flat = array.reshape(-1)
    # In pieces: the answer for a whole array would take an eighth of its memory again.
    return all(bool(np.isfinite(flat[at : at + _CHUNK]).all()) for at in range(0, flat.size, _CHUNK))


def _bad(message: str) -> BadTensors:
    return BadTensors(message, hint=_HINT)


class _Feed:
    """Hands out the bytes of an iterable of chunks in the portions that are asked for."""

    def __init__(self, chunks: Iterable[bytes | bytearray | memoryview]) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")

    def _more(self) -> bool:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            self._rest = memoryview(chunk).cast("B")
        return True

    def take(self, size: int) -> bytes:
        taken = bytearray()
        while len(taken) < size:
            if not self._more():
                raise _bad(f"the arrays end after {len(taken)} of the {size} bytes of their header")
            part = self._rest[: size - len(taken)]
            self._rest = self._rest[len(part) :]
            taken += part
        return bytes(taken)

    def fill(self, target: memoryview, name: str) -> None:
        at = 0
        while at < len(target):
            if not self._more():
                raise _bad(f"array '{name}' ends after {at:,} of its {len(target):,} bytes")
            part = self._rest[: len(target) - at]
            target[at : at + len(part)] = part
            self._rest = self._rest[len(part) :]
            at += len(part)

    def expect_end(self) -> None:
        if self._more():
            raise _bad("bytes follow after the last array")
