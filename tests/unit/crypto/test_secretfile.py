from __future__ import annotations

import os
from pathlib import Path

import pytest

from fedcli.crypto.secretfile import LARGEST, read_secret, write_secret
from fedcli.errors import BadKeyFile, CannotWrite, FileMissing, OutputExists, UnsafeKeyFile

pytestmark = pytest.mark.skipif(os.name != "posix", reason="file modes and links are those of POSIX systems")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o377])
def test_secret_comes_back_and_only_its_owner_can_read_it(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "north.fedkey"
    before = os.umask(umask)
    try:
        write_secret(path, b"seeds")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o7777 == 0o600
    assert read_secret(path) == b"seeds"


def test_secret_is_never_overwritten_nor_written_through_a_link(tmp_path: Path) -> None:
    path, link = tmp_path / "north.fedkey", tmp_path / "link.fedkey"
    write_secret(path, b"first")
    link.symlink_to(tmp_path / "elsewhere")
    for existing in (path, link):
        with pytest.raises(OutputExists):
            write_secret(existing, b"second")
    assert path.read_bytes() == b"first"
    assert not (tmp_path / "elsewhere").exists()


def test_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="no such file"):
        write_secret(tmp_path / "absent" / "north.fedkey", b"seeds")
    with pytest.raises(FileMissing):
        read_secret(tmp_path / "absent")


def test_half_written_secret_does_not_stay_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotWrite, match="no space left"):
        write_secret(tmp_path / "north.fedkey", b"seeds")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o644, 0o601])
def test_secret_that_others_can_use_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "north.fedkey"
    write_secret(path, b"seeds")
    path.chmod(mode)
    with pytest.raises(UnsafeKeyFile, match=f"{mode:04o}") as raised:
        read_secret(path)
    assert raised.value.code == "E308"
    assert f"chmod 600 '{path}'" in raised.value.hint


def test_symbolic_link_folder_and_pipe_are_refused(tmp_path: Path) -> None:
    path, link, pipe = tmp_path / "north.fedkey", tmp_path / "link.fedkey", tmp_path / "pipe"
    write_secret(path, b"seeds")
    link.symlink_to(path)
    os.mkfifo(pipe, 0o600)
    with pytest.raises(UnsafeKeyFile, match="symbolic link"):
        read_secret(link)
    for other in (tmp_path, pipe):
        with pytest.raises(UnsafeKeyFile, match="regular file"):
            read_secret(other)


def test_file_larger_than_any_secret_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "north.fedkey"
    write_secret(path, bytes(LARGEST))
    assert len(read_secret(path)) == LARGEST
    with path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(BadKeyFile, match="larger than"):
        read_secret(path)
