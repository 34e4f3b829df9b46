"""One self-contained page of a result: the verdict, the front, every layer, the graph, inputs, provenance.

Nothing is fetched: style, script, plots and pictures are in the file. A report that was read back from its JSON gives
the same page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler.details import Details, LayerDetail, Node
from compiler.report.headline import headline, percent, spread, unit
from compiler.report.plots import front_plot, spectrum_plot
from compiler.report.rails import Row, rails
from compiler.report.table import becomes, evidence_line, provenance_lines, search_lines, verification_line
from compiler.result import LayerReport, Result

TEMPLATES = Path(__file__).parent / "templates"
TIERS = {
    "measured": "Counted on labelled examples, or by your own score.",
    "bounded": "Counted on unlabelled examples: the loss of accuracy can't exceed the share of changed answers.",
    "estimated": "Counted on a few inputs held out of the calibration: an estimate. Give --data for a measurement.",
}
MOST_PLOTS = 30  # spectra are drawn for so many layers, the largest first


@dataclass(frozen=True, slots=True)
class Card:
    """One figure of the verdict, before and after."""

    name: str
    before: float
    after: float
    unit: str = ""
    note: str = ""
    worse: bool | None = None  # None: where the second figure is the larger

    @property
    def kept(self) -> float:
        return self.after / max(self.before, 1e-12)

    @property
    def is_worse(self) -> bool:
        return self.kept > 1.005 if self.worse is None else self.worse


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer of the list."""

    layer: LayerReport
    detail: LayerDetail | None
    becomes: str
    share: float | None  # of the plan's predicted loss
    spectrum: str  # SVG, or ""


@dataclass(frozen=True, slots=True)
class GraphRow:
    """One operation of the graph; `layer` where it is one that was compressed."""

    node: Node
    rail: Row
    layer: LayerRow | None


def page(result: Result) -> str:
    """The HTML."""
    template = environment().get_template("page.html")
    details = result.details or Details()
    layers = layer_rows(result, details)
    graph = graph_rows(details.graph, {row.layer.name: row for row in layers})
    return template.render(
        result=result,
        details=details,
        title=Path(result.output_path).name,
        headline=headline(result),
        cards=cards(result),
        evidence=evidence_line(result.evidence),
        searched=search_lines(result),
        verified=verification_line(result.verification),
        provenance=provenance_lines(result),
        tier=TIERS[result.evidence.tier],
        front=front(result, details),
        layers=layers,
        graph=graph,
        lanes=1 + max((max(row.rail.lane, *row.rail.below, *row.rail.joins, 0) for row in graph), default=0),
    )


def environment() -> Any:
    """jinja2 with what the templates call."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.filters.update(percent=percent, number=number, kernel=kernel, times=times, setting=setting)
    return made


def cards(result: Result) -> list[Card]:
    """Bytes and multiply-accumulates; RAM and time where the target's own tool said them."""
    before, after = result.original, result.compressed
    found = [
        Card("Stored weights", before.stored_weight_bytes, after.stored_weight_bytes, "B"),
        Card(result.counted.capitalize(), before.file_bytes, after.file_bytes, "B"),
        Card("Multiply-accumulates", before.macs, after.macs),
    ]
    if result.on_target is not None:
        on = result.on_target
        b, a = on.original.figures, on.compressed.figures
        found.append(Card("RAM", b.arena_bytes, a.arena_bytes, "B", f"{a.arena_label}, {on.tool}"))
        rounds = "" if a.time_ratio is None else f"; {spread(a.time_ratio)} times, round by round"
        found.append(Card("Time", b.time, a.time, a.time_unit, f"{a.time_label}, {on.tool}{rounds}", on.is_slower))
    return found


def front(result: Result, details: Details) -> str:
    """The plot; empty where a replayed plan left nothing to plot."""
    if not details.front:
        return ""
    points = [(p.factor, p.predicted_loss) for p in details.front]
    chosen = (result.kept, result.predicted_loss)
    known = "estimated" if result.evidence.tier == "estimated" else "measured"
    return front_plot(points, chosen, details.tried, unit(result.budget, result.counted), known)


def layer_rows(result: Result, details: Details) -> list[LayerRow]:
    """The report's rows with what the close look adds."""
    close = {detail.name: detail for detail in details.layers}
    total = sum(layer.predicted_loss or 0.0 for layer in result.layers)
    drawn = sorted(close, key=lambda name: -math.prod(close[name].kernel))[:MOST_PLOTS]
    rows = []
    for layer in result.layers:
        detail = close.get(layer.name)
        spectrum = ""
        if detail is not None and detail.spectrum_in and layer.name in drawn:
            tied = layer.choice.startswith("cp")  # whose components cut neither side's directions
            cut = (layer.ranks[0], layer.ranks[-1]) if layer.ranks and not tied else (None, None)
            spectrum = spectrum_plot(detail.spectrum_in, detail.spectrum_out, *cut)
        share = layer.predicted_loss / total if total and layer.predicted_loss is not None else None
        rows.append(LayerRow(layer, detail, "left alone" if layer.reason else becomes(layer), share, spectrum))
    return rows


def graph_rows(nodes: Sequence[Node], layers: dict[str, LayerRow]) -> list[GraphRow]:
    """Every operation with its rails."""
    found = []
    for node, rail in zip(nodes, rails([node.inputs for node in nodes]), strict=True):
        layer = layers.get(node.name)
        opens = layer is not None and layer.detail is not None and layer.becomes != "dense"
        found.append(GraphRow(node, rail, layer if opens else None))
    return found


def number(value: float | None, unit: str = "") -> str:
    """12345 → "12,345"; small figures with three digits."""
    if value is None:
        return "–"
    text = f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def kernel(shape: Sequence[int]) -> str:
    """HWIO → "3×3, 16→32"."""
    return "{}×{}, {}→{}".format(*shape) if len(shape) == 4 else times(shape)


def setting(value: str) -> str:
    """A setting as plans hold it, in words: "None" → "not given", "(4, 4)" → "4,4"."""
    if value == "None":
        return "not given"
    return value[1:-1].replace(" ", "") if value.startswith("(") and value.endswith(")") else value


def times(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))
