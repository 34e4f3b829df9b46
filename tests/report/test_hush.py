from __future__ import annotations

import faulthandler
import os
import sys

import pytest

from compiler.errors import BadInput
from compiler.report.hush import hush


def _chatter() -> None:
    print("python out")
    print("python err", file=sys.stderr)
    os.write(1, b"native out\n")
    os.write(2, b"native err\n")


def test_chatter_is_kept_off_and_progress_let_through(capfd: pytest.CaptureFixture[str]) -> None:
    with hush() as terminal:
        _chatter()
        terminal.write("progress\n")
    print("after")
    assert capfd.readouterr() == ("after\n", "progress\n")


@pytest.mark.parametrize(("error", "shown"), [(ValueError, True), (BadInput, False), (KeyboardInterrupt, False)])
def test_chatter_is_shown_after_a_defect_only(
    error: type[BaseException], shown: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        with hush():
            _chatter()
            raise error

    with pytest.raises(error):
        fail()
    out, err = capfd.readouterr()
    assert out == ""
    for words in ("python out", "python err", "native out", "native err"):
        assert (words in err) == shown


def test_what_was_open_before_is_open_after() -> None:
    traced, descriptors = faulthandler.is_enabled(), set(os.listdir("/proc/self/fd"))
    with hush():
        assert faulthandler.is_enabled()
    assert faulthandler.is_enabled() == traced
    assert set(os.listdir("/proc/self/fd")) == descriptors
