"""What is written within goes elsewhere, what is written behind it arrives, also after an error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from compiler.redirect import redirected


def test_what_is_written_within_goes_elsewhere(tmp_path: Path) -> None:
    with open(tmp_path / "usual", "wb") as usual, open(tmp_path / "other", "wb") as other:

        def fail() -> None:
            with redirected(usual.fileno(), other.fileno()):
                os.write(usual.fileno(), b"within")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        os.write(usual.fileno(), b"behind")
        os.write(other.fileno(), b", still open")
    assert (tmp_path / "usual").read_bytes() == b"behind"
    assert (tmp_path / "other").read_bytes() == b"within, still open"


def test_no_descriptor_is_left_behind(tmp_path: Path) -> None:
    with open(tmp_path / "usual", "wb") as usual, open(tmp_path / "other", "wb") as other:
        before = os.dup(1)  # the lowest that is free
        os.close(before)
        with redirected(usual.fileno(), other.fileno()):
            pass
        after = os.dup(1)
        os.close(after)
    assert after == before


def test_a_closed_descriptor_is_left_alone(tmp_path: Path) -> None:
    with open(tmp_path / "other", "wb") as other:
        closed = os.dup(1)
        os.close(closed)
        with redirected(closed, other.fileno()), pytest.raises(OSError, match="Bad file descriptor"):
            os.write(closed, b"nowhere")
    assert (tmp_path / "other").read_bytes() == b""
