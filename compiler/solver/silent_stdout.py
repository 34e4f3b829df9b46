"""Nothing of what C code prints reaches standard output, where `--json` writes its report."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from compiler.redirect import redirected


@contextlib.contextmanager
def silent_stdout() -> Iterator[None]:
    """The process's standard output leads nowhere inside (HiGHS 1.12 has a line of debugging left in its search)."""
    sys.stdout.flush()
    with open(os.devnull, "w") as nowhere, redirected(1, nowhere.fileno()):
        yield
