"""Where a file descriptor leads, changed for a while: native code writes past `sys.stdout` and `sys.stderr`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def redirected(descriptor: int, into: int) -> Iterator[None]:
    """What is written to `descriptor` within goes to the descriptor `into`; a closed one is left alone. Python's own
    streams have buffers, which the caller flushes where they count."""
    try:
        kept = os.dup(descriptor)
    except OSError:  # a service without a terminal, pythonw
        yield
        return
    try:
        os.dup2(into, descriptor)
        yield
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)
