"""What `inspect` found, as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TextIO

from compiler.details import FrontPoint, LayerFacts
from compiler.report.headline import unit
from compiler.report.table import NARROWEST


def inspection_json(layers: Sequence[LayerFacts], front: Sequence[FrontPoint], notes: Sequence[str]) -> str:
    """`layers` and `front`, under the names of their fields, and `notes`."""
    content = {
        "layers": [asdict(layer) | {"compressible": layer.compressible} for layer in layers],
        "front": [asdict(point) for point in front],
        "notes": list(notes),
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def print_inspection(
    layers: Sequence[LayerFacts],
    front: Sequence[FrontPoint],
    budget: str,
    counted: str,
    notes: Sequence[str],
    stream: TextIO,
) -> None:
    """Two tables: the layers, the front; `counted` is what the target has bytes of."""
    from rich.console import Console
    from rich.table import Table

    console = Console(file=stream, highlight=False, width=None if stream.isatty() else NARROWEST)
    table = Table("layer", "kernel", "weights", "bytes", "MACs", "", box=None, pad_edge=False)
    for column in table.columns[2:5]:
        column.justify = "right"
    for layer in layers:
        kernel = "{}×{} {}→{}".format(*layer.kernel) if layer.kernel else layer.kind
        table.add_row(
            layer.name,
            kernel,
            f"{layer.weights:,}",
            "" if layer.weight_bytes is None else f"{layer.weight_bytes:,}",
            "" if layer.macs is None else f"{layer.macs:,}",
            "" if layer.reason is None else f"left alone: {layer.reason}",
        )
    console.print(table)
    for note in notes:
        console.print(note)
    console.print()
    table = Table(
        f"{unit(budget, counted)} kept",
        "weight bytes",
        f"{counted}, bytes",
        "MACs",
        "predicted loss",
        box=None,
        pad_edge=False,
    )
    for column in table.columns:
        column.justify = "right"
    for point in front:
        table.add_row(
            f"{100 * point.factor:.1f} %",
            f"{point.weight_bytes:,}",
            f"{point.file_bytes:,}",
            f"{point.macs:,}",
            f"{point.predicted_loss:.3g} nats",
        )
    console.print(table)
