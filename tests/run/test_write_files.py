"""All files or none, whatever goes wrong and wherever."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from compiler.errors import BadInput
from compiler.run.write_files import WRITTEN, write_files


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_writes_all(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    write_files({tmp_path / "a": b"1", tmp_path / "b": b"2"})
    assert (tmp_path / "a").read_bytes() == b"1"
    assert (tmp_path / "b").read_bytes() == b"2"
    assert names(tmp_path) == ["a", "b"]


def test_folders_are_made(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    folders = [tmp_path / "there", tmp_path / "new"]
    write_files({tmp_path / "there" / "a": b"1", tmp_path / "new" / "b": b"2"}, folders=folders)
    assert (tmp_path / "there" / "a").read_bytes() == b"1"
    assert (tmp_path / "new" / "b").read_bytes() == b"2"


def test_a_folder_that_was_made_goes_where_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(BadInput, match=r"a' can't be written"):
        write_files({tmp_path / "new" / "b": b"2", tmp_path / "a": b"1"}, folders=[tmp_path / "new"])
    assert names(tmp_path) == ["a"]


def test_a_missing_folder_writes_none(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(BadInput, match=r"no/b' can't be written \(No such file.*\); free the disk or choose another"):
        write_files({tmp_path / "a": b"new", tmp_path / "no" / "b": b"new"})
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_folder_in_the_place_of_a_file_writes_none(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "b").mkdir()
    with pytest.raises(BadInput, match=r"b' can't be written \(Is a directory\)"):
        write_files({tmp_path / "a": b"new", tmp_path / "b": b"new"})
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a", "b"]


def test_a_full_disk_keeps_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadInput, match=r"a' can't be written \(No space left on device\)"):
        write_files({tmp_path / "a": b"new"})
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError])
def test_an_interrupt_keeps_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: type) -> None:
    def interrupt(descriptor: int) -> None:
        raise stop

    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(stop):
        write_files({tmp_path / "a": b"new", tmp_path / "b": b"new"})
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_an_interrupt_between_the_files_waits_for_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says that all are there."""
    replace = os.replace

    def interrupted(part: Path, path: Path) -> None:
        replace(part, path)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(os, "replace", interrupted)
    contents = {tmp_path / name: name.encode() for name in ("a", "b", "c")}
    (tmp_path / "c").write_bytes(b"old")
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)  # a test runner may have its own
    try:
        with pytest.raises(KeyboardInterrupt, match=WRITTEN):
            write_files(contents)
    finally:
        signal.signal(signal.SIGINT, previous)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == contents


def test_an_interrupt_before_says_nothing_of_the_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt) as stopped:
        write_files({tmp_path / "a": b"1"})
    assert stopped.value.args == ()
