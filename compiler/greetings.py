"""What TensorFlow and LiteRT write to standard error in every process, whatever is set: that they are there.

They write past Python, to the file descriptor, before any of their settings counts. Dropped are these lines alone;
whatever else is written meanwhile goes on to where it was bound. Whoever asks TensorFlow for its log, with
TF_CPP_MIN_LOG_LEVEL 0 or 1, gets all of it. The retracing that TensorFlow warns of is meant: a compression runs many
models once each.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import IO

from compiler.redirect import redirected

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
GREETINGS = re.compile(
    rb"All log messages before absl::InitializeLog"
    rb"|oneDNN custom operations are on"
    rb"|Could not find cuda drivers"
    rb"|This TensorFlow binary is optimized"
    rb"|To enable the following instructions: "
    rb"|Created TensorFlow Lite XNNPACK delegate for CPU"
)
RETRACING = "triggered tf.function retracing"


@contextlib.contextmanager
def without_greetings() -> Iterator[None]:
    """Drop the greetings among what is written to standard error's descriptor; the rest follows as the context ends."""
    if os.environ.get(LEVEL) in ("0", "1"):
        yield
        return
    with tempfile.TemporaryFile() as written, contextlib.ExitStack() as behind:
        behind.callback(pass_on, written)
        flush()
        behind.enter_context(redirected(2, written.fileno()))
        behind.callback(flush)
        yield


def flush() -> None:
    if sys.stderr is not None:  # as under pythonw
        sys.stderr.flush()


def pass_on(written: IO[bytes]) -> None:
    """All of it but the greetings, to standard error."""
    written.seek(0)
    rest = b"".join(line for line in written if not GREETINGS.search(line))
    if rest:
        os.write(2, rest)


@contextlib.contextmanager
def without_retracing() -> Iterator[None]:
    """Drop TensorFlow's warnings of retracing within this context."""
    logger = logging.getLogger("tensorflow")

    def is_other(record: logging.LogRecord) -> bool:
        return RETRACING not in record.getMessage()

    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)
