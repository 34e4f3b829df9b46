from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from compiler.run.uninterrupted import uninterrupted


def interrupted_steps(number: signal.Signals) -> Iterator[str]:
    yield "one"
    signal.raise_signal(number)
    yield "two"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_comes_behind_the_steps(number: signal.Signals) -> None:
    came: list[int] = []
    steps: list[str] = []

    def take(taken: int, _: object) -> None:
        came.append(taken)
        raise KeyboardInterrupt

    previous = signal.signal(number, take)
    try:
        with pytest.raises(KeyboardInterrupt), uninterrupted():
            steps.extend(interrupted_steps(number))
        assert steps == ["one", "two"]
        assert came == [number]
        assert signal.getsignal(number) is take
    finally:
        signal.signal(number, previous)


def test_an_error_leaves_the_handlers_as_they_were() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(OSError, match="full"), uninterrupted():
        raise OSError("full")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_other_threads_may_use_it() -> None:
    done: list[bool] = []

    def steps() -> None:
        with uninterrupted():
            done.append(True)

    thread = threading.Thread(target=steps)
    thread.start()
    thread.join()
    assert done == [True]
