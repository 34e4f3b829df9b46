from __future__ import annotations

import contextlib
import io
import time

import pytest

from compiler.report.progress import Bars, Lines, Silent, progress_for


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_stream_decides() -> None:
    assert isinstance(progress_for(io.StringIO(), quiet=False), Lines)
    assert isinstance(progress_for(_Terminal(), quiet=False), Bars)
    assert isinstance(progress_for(_Terminal(), quiet=True), Silent)


def test_lines_tell_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    stream = io.StringIO()
    with Lines(stream, every=10) as progress:
        progress.stage("Searching", total=8)
        for step in range(8):
            now += 6 if step else 60
            progress.advance()
        progress.note("keeps 48 %")
        progress.stage("Writing")
        now += 60
        progress.advance()
    assert stream.getvalue().splitlines() == [
        "Searching",
        "  1 of 8",
        "  3 of 8, about 30 s left",
        "  5 of 8, about 18 s left",
        "  7 of 8, about 6 s left",
        "  keeps 48 %",
        "Writing",
    ]


def test_bars_finish_what_ends() -> None:
    stream = _Terminal()
    with Bars(stream) as progress:
        progress.stage("Searching", total=12)
        progress.advance(5)
        progress.note("keeps 48 %")
        progress.stage("Writing")
    drawn = stream.getvalue()
    assert "Searching" in drawn
    assert "keeps 48 %" in drawn
    assert "5/5" in drawn  # stopped early, yet done
    assert "Writing" in drawn


def test_bars_of_an_interrupted_stage_stay_open() -> None:
    stream = _Terminal()
    with contextlib.suppress(KeyboardInterrupt), Bars(stream) as progress:
        progress.stage("Searching", total=12)
        progress.advance(5)
        raise KeyboardInterrupt
    assert "5/12" in stream.getvalue()


def test_silence() -> None:
    with Silent() as progress:
        progress.stage("a", total=3)
        progress.advance()
        progress.note("b")
