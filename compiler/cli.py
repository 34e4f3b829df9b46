"""The command line: flags into `Options`, the pipeline's result onto the terminal, errors into exit codes.

0 done    2 bad input    3 the budget or the bound can't be met    4 a check of the result failed    130 interrupted
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

from compiler.check_paths import check_paths
from compiler.errors import CompilerError
from compiler.flags import parse
from compiler.options import Options

if TYPE_CHECKING:
    from compiler.report.progress import Progress
    from compiler.result import Result

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None, prog: str = "compress.py") -> int:
    """Run one compression; returns the exit code."""
    return guarded(lambda: compress(sys.argv[1:] if argv is None else argv, prog))


def guarded(run: Callable[[], None], interrupted: str = "nothing was written; start the same command again.") -> int:
    """The exit code of `run`: 0, or that of the error that it raised, which is printed. An interrupt may bring a word
    of its own on what it left behind; else that is `interrupted`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without → must not cost the result
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        run()
    except CompilerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt as stop:
        print(f"interrupted: {stop.args[0] if stop.args else interrupted}", file=sys.stderr)
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, previous)
    return 0


def compress(words: Sequence[str], prog: str) -> None:
    """`scripts/compress.py`, and `python -m compiler compress`, as `prog` has it in its help."""
    options = parse(words, prog)
    check_paths(options)
    from compiler.run.check_first import check_first
    from compiler.run.refuse_overwrite import refuse_overwrite

    refuse_overwrite(options)
    check_first(options)
    with quietly(options) as progress:
        from compiler.pipeline import compress

        result = compress(options, progress=progress)
    try:
        show(result, options)
    except KeyboardInterrupt:
        from compiler.run.write_files import WRITTEN

        raise KeyboardInterrupt(WRITTEN) from None


def show(result: Result, options: Options) -> None:
    """The result on the terminal, as `options` ask for it."""
    if options.json:
        from compiler.report.report_json import report_json

        sys.stdout.write(report_json(result))
    elif not options.quiet:
        from compiler.report.table import print_report

        print_report(result, sys.stdout)


def leave(code: int) -> NoReturn:
    """End the process. TensorFlow takes more than a second to let go, and there is nothing left to interrupt."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(code)


@contextlib.contextmanager
def quietly(options: Options) -> Iterator[Progress]:
    """Keep third-party chatter off the terminal, and tell there what is being done unless `options.quiet`."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read by TensorFlow as it is imported
    from compiler.report.hush import hush
    from compiler.report.progress import progress_for

    with hush() as terminal, progress_for(terminal, quiet=options.quiet) as progress:
        yield progress


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
