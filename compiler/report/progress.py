"""What the compiler tells while it works: which stage it is in, how far, how long it takes, what it found.

Passes take a `Progress` and call

    progress.stage("Matching synthetic inputs", total=500)      ends the stage before
    progress.advance()                                          one step of `total` is done
    progress.note("factor 0.48 loses 0.4 %; best so far 0.5")   what was found just now

`Silent` says nothing, `Lines` writes plain lines (a log file, a pipe), `Bars` draws on a terminal.
"""

from __future__ import annotations

import time
from typing import Protocol, TextIO


class Progress(Protocol):
    """Where passes report to; a context manager, so that an error leaves the terminal in order."""

    def __enter__(self) -> Progress: ...

    def __exit__(self, *error: object) -> None: ...

    def stage(self, title: str, total: int | None = None) -> None:
        """Begin a stage of `total` steps (None: not known), ending the one before."""

    def advance(self, steps: int = 1) -> None:
        """`steps` more of the stage are done."""

    def note(self, text: str) -> None:
        """Say what was found just now."""


class Silent:
    """Says nothing: `--quiet`, and library use."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def stage(self, title: str, total: int | None = None) -> None:
        pass

    def advance(self, steps: int = 1) -> None:
        pass

    def note(self, text: str) -> None:
        pass


class Lines:
    """A line when a stage begins and, every `every` seconds of a long one, how far it is and how long it takes."""

    def __init__(self, stream: TextIO, every: float = 10.0) -> None:
        self._stream = stream
        self._every = every
        self._total: int | None = None
        self._done = 0
        self._first: tuple[int, float] | None = None  # steps, and when they were done
        self._spoke = time.monotonic()

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.flush()

    def stage(self, title: str, total: int | None = None) -> None:
        self._total, self._done, self._first = total, 0, None
        self._spoke = time.monotonic()
        self._say(title)

    def advance(self, steps: int = 1) -> None:
        self._done += steps
        now = time.monotonic()
        if self._first is None:  # which compiles: no measure of the others
            self._first = self._done, now
        if not self._total or self._done >= self._total or now - self._spoke < self._every:
            return
        self._spoke = now
        known, since = self._done - self._first[0], now - self._first[1]
        left = f", about {since / known * (self._total - self._done):.0f} s left" if known else ""
        self._say(f"  {self._done} of {self._total}{left}")

    def note(self, text: str) -> None:
        self._say(f"  {text}")

    def _say(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


class Bars:
    """A bar for each stage, with the time it took or has left, and what was found last behind it."""

    def __init__(self, stream: TextIO) -> None:
        # Drawing needs rich; a library user of the other two doesn't pay for it.
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as RichProgress

        self._bars = RichProgress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(file=stream),
        )
        self._task: int | None = None

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self._finish()
        self._bars.stop()

    def stage(self, title: str, total: int | None = None) -> None:
        self._finish()
        self._task = self._bars.add_task(title, total=total, note="")

    def advance(self, steps: int = 1) -> None:
        if self._task is not None:
            self._bars.advance(self._task, steps)  # type: ignore[arg-type]

    def note(self, text: str) -> None:
        if self._task is not None:
            self._bars.update(self._task, note=text)  # type: ignore[arg-type]

    def _finish(self) -> None:
        """A stage that ends is complete, also one that stopped early or never knew its total."""
        if self._task is not None:
            done = max(1, int(self._bars.tasks[-1].completed))
            self._bars.update(self._task, total=done, completed=done)  # type: ignore[arg-type]


def progress_for(stream: TextIO, *, quiet: bool) -> Progress:
    """The way of telling that suits the stream: bars on a terminal, lines elsewhere, nothing if `quiet`."""
    if quiet:
        return Silent()
    return Bars(stream) if stream.isatty() else Lines(stream)
