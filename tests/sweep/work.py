"""A row's work without a compiler: it says when it begins and ends, takes a while, and leaves the row's record."""

from __future__ import annotations

import os
import time
from pathlib import Path

from compiler.options import Options
from compiler.sweep.do_row import record_of


def note(folder: Path, text: str) -> None:
    """One line, whole even where several processes write."""
    line = os.open(folder / "log.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(line, f"{text}\n".encode())
    os.close(line)


def slow_row(row: Options) -> str:
    record = record_of(row)
    if record.is_file():
        return record.stem
    note(record.parent, f"began {record.stem} {os.getpid()}")
    time.sleep(0.5)
    record.write_text('{"refused": "no compiler here"}')
    note(record.parent, f"ended {record.stem} {os.getpid()}")
    return record.stem
