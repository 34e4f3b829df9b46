"""A library user sees what the network's own code says, and nothing of what TensorFlow says in every process."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from compiler.greetings import LEVEL, RETRACING, without_greetings, without_retracing
from tests.tiny import save_tiny

ROOT = Path(__file__).resolve().parents[1]
USE = """
import sys
import compiler
analysis = compiler.analyze(sys.argv[1], jobs=2, compression_type="tucker")
analysis.front()
analysis.compress(analysis.solve(params=0.6), finetune=lambda model: print("own words", file=sys.stderr))
"""


def test_a_library_user_sees_nothing_of_others(tmp_path: Path) -> None:
    save_tiny(tmp_path)
    given = {name: value for name, value in os.environ.items() if name != LEVEL}
    done = subprocess.run(
        [sys.executable, "-c", USE, str(tmp_path / "net.keras")],
        cwd=ROOT, env=given, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "own words\n")


def test_only_greetings_are_dropped(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    greeting = b"I0000 00:00:17 port.cc:153] oneDNN custom operations are on. You may see\n"
    for level, seen in ((None, "a word\nlast"), ("3", "a word\nlast"), ("0", greeting.decode() + "a word\nlast")):
        monkeypatch.delenv(LEVEL, raising=False)
        if level is not None:
            monkeypatch.setenv(LEVEL, level)
        with without_greetings():
            os.write(2, greeting)
            os.write(2, b"a word\nlast")
        assert capfd.readouterr().err == seen
        os.write(2, b"behind it")
        assert capfd.readouterr().err == "behind it"


def test_what_was_said_before_an_error_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with without_greetings():
            os.write(2, b"the cause\n")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert capfd.readouterr().err == "the cause\n"


def test_what_python_holds_back_comes_in_its_turn(capfd: pytest.CaptureFixture[str]) -> None:
    with open(2, "w", closefd=False) as stderr, contextlib.redirect_stderr(stderr):
        stderr.write("before ")
        with without_greetings():
            os.write(2, b"native ")
            stderr.write("within ")
        os.write(2, b"behind")
    assert capfd.readouterr().err == "before native within behind"


def test_retracing_is_not_warned_of_within(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("tensorflow")
    with without_retracing():
        logger.warning("5 out of the last 12 calls %s. Tracing is expensive", RETRACING)
        logger.warning("something else")
    logger.warning("5 out of the last 12 calls %s.", RETRACING)
    assert [record.getMessage()[:9] for record in caplog.records] == ["something", "5 out of "]
