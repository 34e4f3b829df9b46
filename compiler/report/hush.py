"""Keep third-party chatter off the terminal: TensorFlow and the converter write to file descriptors, past Python."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import TextIO

from compiler.errors import CompilerError


@contextlib.contextmanager
def hush() -> Iterator[TextIO]:
    """Send what is written to stdout and stderr, by Python or by native code, to a temporary file.

    Yields a stream to the real stderr, for progress. After an error that is no refusal of ours the chatter is shown:
    it may hold the cause.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    stdout, stderr = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile("w+", errors="replace") as chatter, os.fdopen(os.dup(stderr), "w") as terminal:
        os.dup2(chatter.fileno(), 1)
        os.dup2(chatter.fileno(), 2)
        traced = faulthandler.is_enabled()
        faulthandler.enable(terminal)  # a crash of native code still says where
        unexpected = False
        try:
            with contextlib.redirect_stdout(chatter), contextlib.redirect_stderr(chatter):
                yield terminal
        except (CompilerError, KeyboardInterrupt):
            raise
        except BaseException:
            unexpected = True
            raise
        finally:
            if traced:
                faulthandler.enable()
            else:
                faulthandler.disable()
            chatter.flush()
            os.dup2(stdout, 1)
            os.dup2(stderr, 2)
            os.close(stdout)
            os.close(stderr)
            if unexpected:
                chatter.seek(0)
                terminal.write(chatter.read())
