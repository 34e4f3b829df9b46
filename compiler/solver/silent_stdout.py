"""Nothing of what C code prints reaches standard output, where `--json` writes its report."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def silent_stdout() -> Iterator[None]:
    """The process's standard output leads nowhere inside (HiGHS 1.12 has a line of debugging left in its search)."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # there is none: a service without a terminal
        yield
        return
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
