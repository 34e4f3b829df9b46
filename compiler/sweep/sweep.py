"""All rows of a sweep, those that are done left alone, and one page over all of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from compiler.details import SweepRow
from compiler.options import Options
from compiler.report.progress import Progress
from compiler.report.read_report import read_report
from compiler.report.sweep_page import sweep_page
from compiler.run.write_files import write_files
from compiler.sweep.do_row import do_row, record_of
from compiler.sweep.workers import Work, spread

PAGE = "index.html"


def sweep(
    rows: Sequence[Options], *, cluster: str | None, workers: int, progress: Progress, work: Work = do_row
) -> list[SweepRow]:
    """Do what is not done yet, then write the page beside the rows' files; returns all rows.

    `rows` are those of `compiler.sweep.rows`. Raises BadInput where the cluster can't be had.
    """
    folder = rows[0].output_path.parent
    (folder / "rows").mkdir(parents=True, exist_ok=True)
    left = [row for row in rows if not record_of(row).is_file()]
    progress.stage(f"Sweeping, {len(rows) - len(left)} of {len(rows)} done before", total=len(left))
    for name in spread(work, left, cluster, workers):
        progress.note(f"done: {name}")
        progress.advance()
    found = [outcome(row) for row in rows]
    write_files({folder / PAGE: sweep_page(found).encode()})
    return found


def outcome(row: Options) -> SweepRow:
    """What came of a row that is done."""
    record = record_of(row)
    asked = {
        "name": record.stem,
        "network": row.input_path.stem,
        "target": row.target,
        "compression_type": row.compression_type,
        "pruning_structure": row.pruning_structure,
        "factor": row.compression_factor,
        "budget": row.budget,
    }
    refused = json.loads(record.read_text(encoding="utf-8"))["refused"]
    if refused is not None:
        return SweepRow(**asked, refused=refused)  # type: ignore[arg-type]
    result = read_report(Path(row.report_path))
    on_target = result.on_target
    return SweepRow(
        **asked,  # type: ignore[arg-type]
        kept=result.kept,
        loss=result.evidence.loss,
        metric=result.evidence.metric,
        tier=result.evidence.tier,
        file_bytes=result.compressed.file_bytes,
        counted=result.counted,
        macs=result.compressed.macs,
        arena_bytes=None if on_target is None else on_target.compressed.figures.arena_bytes,
        seconds=result.provenance.seconds,
    )
