"""`inspect`: a network's layers, what of them can be compressed, and the predicted front. Writes nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from compiler.check_paths import check_input
from compiler.cli import quietly
from compiler.flags import parse

WHAT = (
    "Say of every layer whether it can be compressed, or why not, and what each budget is predicted to cost. "
    "Writes nothing."
)


def run(words: Sequence[str]) -> None:
    """The verb; raises what `analyze` raises."""
    options = parse(words, "python -m compiler inspect", WHAT, writes=False)
    check_input(options)
    from compiler.run.check_first import check_first

    check_first(options)
    with quietly(options) as progress:
        from compiler.library import Analysis
        from compiler.pipeline import analyse
        from compiler.run.lean_network import left_out

        analysis = Analysis(analyse(options, Path(options.input_path), progress=progress), options.input_path, 0.0)
        layers, front = analysis.layers, analysis.front(options.budget)
        counted = analysis.session.target.counted
        notes = left_out(analysis.session.network)
    from compiler.report.inspection import inspection_json, print_inspection

    if options.json:
        sys.stdout.write(inspection_json(layers, front, notes))
    elif not options.quiet:
        print_inspection(layers, front, options.budget, counted, notes, sys.stdout)
