"""A few steps that an interrupt must not part."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """SIGINT and SIGTERM that come inside are delivered behind it, to whoever would have had them. Outside the main
    thread, which alone hears of signals, it does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def keep(number: int, _: object) -> None:
        came.append(number)

    try:
        with contextlib.ExitStack() as before:
            for number in (signal.SIGINT, signal.SIGTERM):
                previous = signal.getsignal(number)
                if previous is not None:  # one that was not set from Python can't be set again
                    # Not a mask: another thread would take the signal, and this one hear of it all the same.
                    before.callback(signal.signal, number, previous)
                    signal.signal(number, keep)
            yield
    finally:
        for late in came:
            signal.raise_signal(late)
