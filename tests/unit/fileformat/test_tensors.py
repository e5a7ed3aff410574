"""Arrays: safetensors outside, one spelling inside."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
import safetensors.numpy

from fedcli.errors import BadTensors
from fedcli.fileformat.tensors import TensorFile, decode, encoded_size

ARRAYS = {
    "gradient": np.array([[1.5, -0.0], [5e-324, 1e308]]),
    "counts.sex": np.array([[2**64 - 1, 0], [1, 2**63]], dtype=np.uint64),
    "one": np.array(3.25),
    "none": np.zeros((0, 3)),
}
METADATA = {"fedcli.binding": "ab" * 32, "fedcli.document": '{"a":"é\\\\"}'}
FILE = TensorFile(ARRAYS, METADATA)
DATA = b"".join(FILE.chunks())


def with_header(header: object, data: bytes, *, raw: bytes | None = None) -> bytes:
    text = raw if raw is not None else json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def entry(start: int, end: int, shape: list[int], dtype: str = "F64") -> dict:
    return {"data_offsets": [start, end], "dtype": dtype, "shape": shape}


@pytest.mark.parametrize("size", [1, 3, 8, 1000, 10**6])
def test_arrays_and_metadata_read_back_in_pieces_of_any_size(size):
    found = decode((DATA[at : at + size] for at in range(0, len(DATA), size)), None)
    assert found.metadata == METADATA
    assert found.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found.arrays[name].dtype == array.dtype
        assert found.arrays[name].shape == array.shape
        assert found.arrays[name].tobytes() == array.tobytes()


def test_the_safetensors_library_loads_what_is_written():
    found = safetensors.numpy.load(DATA)
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


def test_a_file_without_metadata_or_without_arrays_reads_back():
    for file in (TensorFile({"a": np.ones(2)}), TensorFile({}, {"a": "b"}), TensorFile({})):
        data = b"".join(file.chunks())
        assert safetensors.numpy.load(data).keys() == file.arrays.keys()
        assert decode(data, None).metadata == dict(file.metadata)


def test_the_size_is_known_before_the_arrays():
    shapes = {name: ("U64" if array.dtype == np.uint64 else "F64", array.shape) for name, array in ARRAYS.items()}
    assert FILE.size == len(DATA) == encoded_size(shapes, METADATA)


def test_the_order_and_the_memory_layout_of_the_arrays_do_not_matter():
    other = {name: array.copy(order="F") for name, array in reversed(ARRAYS.items())}
    assert b"".join(TensorFile(other, dict(reversed(METADATA.items()))).chunks()) == DATA
    big_endian = TensorFile({"a": np.arange(3.0).astype(">f8")})
    with pytest.raises(ValueError, match="float64"):
        list(big_endian.chunks())


EXPECTED = {"a": ("F64", (2,)), "b": ("U64", (1, 2))}
GOOD = {"a": np.zeros(2), "b": np.zeros((1, 2), dtype=np.uint64)}


def test_the_expected_arrays_are_read():
    assert decode(TensorFile(GOOD).chunks(), EXPECTED).arrays.keys() == GOOD.keys()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": GOOD["a"]}, "'b' is missing"),
        ({**GOOD, "c": np.zeros(1)}, "'c' is not in the study's layout"),
        ({**GOOD, "a": np.zeros(3)}, r"shape \[3\]"),
        ({**GOOD, "a": np.zeros((1, 2))}, r"shape \[1, 2\]"),
        ({**GOOD, "a": np.zeros(2, dtype=np.uint64)}, "'a' is U64"),
    ],
)
def test_arrays_other_than_the_expected_are_refused(arrays, words):
    with pytest.raises(BadTensors, match=words):
        decode(TensorFile(arrays).chunks(), EXPECTED)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_refused_and_its_array_named(value):
    data = with_header({"coef": entry(0, 16, [2])}, np.array([1.0, value]).tobytes())
    with pytest.raises(BadTensors, match=r"'coef'.*not finite"):
        decode(data, None)
    with pytest.raises(ValueError, match="'coef'"):
        list(TensorFile({"coef": np.array([value])}).chunks())


EIGHT = bytes(8)
OTHERS = {
    "a_hole": with_header({"a": entry(0, 8, [1]), "b": entry(16, 24, [1])}, EIGHT * 3),
    "an_overlap": with_header({"a": entry(0, 8, [1]), "b": entry(0, 8, [1])}, EIGHT),
    "another_order": with_header({"b": entry(0, 8, [1]), "a": entry(8, 16, [1])}, EIGHT * 2),
    "a_shape_larger_than_its_bytes": with_header({"a": entry(0, 8, [2])}, EIGHT * 2),
    "a_negative_shape": with_header({"a": entry(0, 8, [-1])}, EIGHT),
    "a_shape_that_overflows": with_header({"a": entry(0, 0, [2**32, 2**32])}, b""),
    "a_shape_of_petabytes": with_header({"a": entry(0, 2**43, [2**40 - 1])}, EIGHT),
    "an_empty_shape_that_numpy_refuses": with_header({"a": entry(0, 0, [0, 2**39, 2**39])}, b""),
    "a_shape_as_yes": with_header({"a": entry(0, 8, [True])}, EIGHT),
    "another_dtype": with_header({"a": entry(0, 8, [2], "F32")}, EIGHT),
    "booleans": with_header({"a": entry(0, 8, [8], "BOOL")}, EIGHT),
    "no_dtype": with_header({"a": {"data_offsets": [0, 8], "shape": [1]}}, EIGHT),
    "one_key_more": with_header({"a": {**entry(0, 8, [1]), "x": 1}}, EIGHT),
    "a_name_twice": with_header(
        None,
        EIGHT,
        raw=b'{"a":{"data_offsets":[0,8],"dtype":"F64","shape":[1]},"a":{"data_offsets":[0,8],"dtype":"F64","shape":[1]}}',
    ),
    "spaces": with_header(None, EIGHT, raw=b'{"a": {"data_offsets":[0,8],"dtype":"F64","shape":[1]}}'),
    "a_name_with_a_path": with_header({"../a": entry(0, 8, [1])}, EIGHT),
    "an_entry_that_is_no_table": with_header({"a": 1}, EIGHT),
    "a_header_that_is_a_list": with_header([], b""),
    "a_header_that_is_no_json": with_header(None, b"", raw=b"hello"),
    "metadata_that_are_empty": with_header({"__metadata__": {}}, b""),
    "metadata_that_are_numbers": with_header({"__metadata__": {"a": 1}}, b""),
    "a_header_of_nothing": bytes(8),
    "a_header_of_exabytes": b"\xff" * 8,
    "nothing": b"",
    "padding_by_another_eight": (64).to_bytes(8, "little")
    + b'{"a":{"data_offsets":[0,8],"dtype":"F64","shape":[1]}}'.ljust(64)
    + EIGHT,
    "a_byte_more": DATA + b"\0",
    "a_byte_less": DATA[:-1],
    "half_a_header": DATA[:100],
}


@pytest.mark.parametrize("data", OTHERS.values(), ids=OTHERS.keys())
def test_bytes_in_any_other_form_are_refused(data):
    with pytest.raises(BadTensors):
        decode(data, None)


def test_arrays_are_written_and_read_without_a_second_copy():
    array = np.zeros(2**21)  # 16 MiB
    tracemalloc.start()
    for _ in TensorFile({"a": array}).chunks():
        pass
    written = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    decode(TensorFile({"a": array}).chunks(), {"a": ("F64", array.shape)})
    read = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert written < 2**23
    assert read < array.nbytes + 2**23
