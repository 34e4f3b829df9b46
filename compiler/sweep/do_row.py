"""One row of a sweep, on whatever machine it lands: nothing is done that is done already."""

from __future__ import annotations

import json
import os
from pathlib import Path

from compiler.errors import CompilerError
from compiler.options import Options
from compiler.run.write_files import write_files


def do_row(row: Options) -> str:
    """Compress as `row` says, unless it has been; returns the row's name.

    A row is done when its record is there, and the record is written last: a worker that dies leaves the row undone. A
    refusal (an infeasible budget, a structure that the target has not) is a result, and recorded as one.
    """
    record = record_of(row)
    if record.is_file():
        return record.stem
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from compiler.pipeline import compress
    from compiler.report.hush import hush

    refused = None
    with hush():
        try:
            compress(row)
        except CompilerError as error:
            refused = str(error)
    write_files({record: (json.dumps({"name": record.stem, "refused": refused}, ensure_ascii=False) + "\n").encode()})
    return record.stem


def record_of(row: Options) -> Path:
    """Where the row's record is kept."""
    return row.output_path.parent / "rows" / f"{row.output_path.stem}.json"
