"""One page over a sweep: a front for each network and target, side by side, and every row with its own page."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.details import SweepRow
from compiler.options import WITHOUT_BRANCH
from compiler.report.headline import unit as unit_of
from compiler.report.page import environment
from compiler.report.plots import fronts_plot


def sweep_page(rows: Sequence[SweepRow]) -> str:
    """The HTML; pages of rows are linked as `<name>.report.html` beside it."""
    fronts = []
    for network, target in dict.fromkeys((row.network, row.target) for row in rows):
        curves: dict[str, list[tuple[float, float]]] = {}
        metric = ""
        for row in rows:
            if (row.network, row.target) == (network, target) and row.kept is not None and row.loss is not None:
                curves.setdefault(label(row), []).append((row.kept, 100 * row.loss))
                metric = f"{row.metric} {'lost' if row.metric in ('accuracy', 'score') else ''}, % ({row.tier})"
        if curves:
            drawn = fronts_plot([(name, sorted(points)) for name, points in curves.items()], unit(rows), metric)
            fronts.append((f"{network}, {target}", drawn))
    template = environment().get_template("sweep.html")
    return template.render(rows=rows, fronts=fronts, unit=unit(rows), done=sum(r.refused is None for r in rows))


def label(row: SweepRow) -> str:
    if row.compression_type in WITHOUT_BRANCH:
        return row.compression_type
    return f"{row.compression_type}, {row.pruning_structure}"


def unit(rows: Sequence[SweepRow]) -> str:
    """Of the budget; where targets differ in what they have bytes of, that of a file."""
    counted = {row.counted for row in rows}
    return unit_of(rows[0].budget, counted.pop() if len(counted) == 1 else "file")
