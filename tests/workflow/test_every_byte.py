"""A file that was changed, cut or lengthened anywhere is refused in words by whoever opens it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedcli.errors import FileError, TrustError
from fedcli.fileformat.archive import read_archive
from fedcli.workflow.anyone import verify
from tests.workflow.play import Town, command

KINDS = ("update", "study", "model")


def target(place: Town, kind: str) -> Path:
    if kind == "update":
        return place.update("north")
    return place.study if kind == "study" else sorted((place.registry / "outbox").glob("*.fedmodel"))[-1]


def headers(data: bytes) -> set[int]:
    """Return the places of all header bytes of the four members."""
    found, at = set(), 0
    while data[at : at + 512].strip(b"\0"):
        found |= set(range(at, at + 512))
        size = int(data[at + 124 : at + 135], 8)
        at += 512 + -(-size // 512) * 512
    return found


def changed(data: bytes, places: list[int]) -> Iterator[bytes]:
    for number, at in enumerate(places):
        yield data[:at] + bytes([data[at] ^ 1 << number % 8]) + data[at + 1 :]


def spread(data: bytes, count: int) -> list[int]:
    """Return ``count`` places outside the headers, evenly."""
    outside = sorted(set(range(len(data))) - headers(data))
    return [outside[i * len(outside) // count] for i in range(count)]


def cut_and_lengthened(data: bytes) -> Iterator[bytes]:
    yield from (data[: len(data) * i // 40] for i in range(40))
    yield from (data[:-n] for n in (1, 2, 511, 512, 513, 1024))
    yield from (data + tail for tail in (b"\0", b"\n", bytes(512), bytes(10_240), b"hello", data))


@pytest.mark.parametrize("kind", KINDS)
def test_verify_says_no_to_every_change(kind, stages, tmp_path):
    place = stages("finished")
    data = target(place, kind).read_bytes()
    assert read_archive(io.BytesIO(data)).payload_size
    # One code reads the headers of all three: every byte of one, and every fifth of the others.
    step = 1 if kind == "update" else 5
    variants = [
        *changed(data, sorted(headers(data))[::step]),
        *changed(data, spread(data, 300)),
        *cut_and_lengthened(data),
    ]
    folder = tmp_path / "changed"
    folder.mkdir()
    for number, variant in enumerate(variants):
        (folder / f"{number}").write_bytes(variant)
    paths = [folder / f"{number}" for number in range(len(variants))]
    found = verify([place.study, *paths] if kind != "study" else paths)
    verdicts = found.verdicts[-len(paths) :]
    assert not [verdict.file.name for verdict in verdicts if verdict.ok]
    assert {type(verdict.error).__mro__[1] for verdict in verdicts} <= {FileError, TrustError}
    assert all(verdict.error.hint for verdict in verdicts)
    done = command("verify", place.study, *paths[::97])
    assert done.status == 1
    assert done.out.count("NO  ") == len(paths[::97])


def samples(data: bytes) -> list[bytes]:
    return [*changed(data, spread(data, 12) + sorted(headers(data))[::211]), *list(cut_and_lengthened(data))[::4]]


def refuse(place: Town, path: Path, data: bytes, *arguments: object) -> None:
    """Put a file in place and run a command that must refuse it."""
    path.write_bytes(data)
    done = place.run(*arguments, passphrase=arguments[0] != "predict")
    assert done.status in (3, 4), (done, arguments)
    assert "hint: " in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_aggregate_refuses_every_changed_update(town):
    place = town("collected")
    path = place.update("north")
    models = place.registry / "outbox"
    before = sorted(models.iterdir())
    for data in samples(path.read_bytes()):
        refuse(place, path, data, "aggregate", "-C", place.registry)
    assert sorted(models.iterdir()) == before
    assert not list((place.registry / "archive").iterdir())


def test_join_refuses_every_changed_study(town):
    place = town("joined")
    path = place.root / "heart.fedstudy"
    digits = command("study", "show", place.study, "--json").json["fingerprint"]
    folder = place.root / "new"
    where = ("--key", place.key("north"), "--data", place.table("north"), "-C", folder, "--fingerprint", digits)
    for data in samples(place.study.read_bytes()):
        refuse(place, path, data, "join", path, *where)
    assert not folder.exists()


def test_train_refuses_every_changed_model(town):
    place = town("second")
    path = place.silo("north") / "inbox" / "heart-r1.fedmodel"
    outbox = place.silo("north") / "outbox"
    for data in samples(path.read_bytes()):
        refuse(place, path, data, "train", "-C", place.silo("north"), "--yes")
    assert [update.name for update in outbox.iterdir()] == ["heart-north-r1.fedupdate"]


def test_predict_refuses_every_changed_model(town, tmp_path):
    place = town("finished")
    path = tmp_path / "final.fedmodel"
    shutil.copy(target(place, "model"), path)
    scores = tmp_path / "scores.csv"
    for data in samples(path.read_bytes()):
        refuse(place, path, data, "predict", place.table("north"), "--model", path, "-o", scores)
    assert not scores.exists()
