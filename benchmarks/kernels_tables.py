"""The tables of docs/kernels.md, from `benchmarks/results/kernels.json`: between `<!-- figures -->` and
`<!-- end of figures -->`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.equal_accuracy import Point, Size, size_at

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "kernels.md"
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->"
COUNTS = ("cortex-m4, portable", "cortex-m4, SIMD", "cortex-m55, portable", "cortex-m55, SIMD")


def write_tables(result: dict[str, Any], *, check: bool = False) -> bool:
    """Whether the page was out of date; it is rewritten unless `check`."""
    old = DOCUMENT.read_text(encoding="utf-8")
    before, rest = old.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    new = before + BEGIN + tables(result) + END + after
    if new != old:
        print(f"{'out of date' if check else 'rewritten'}: {DOCUMENT.name}")
        if not check:
            DOCUMENT.write_text(new, encoding="utf-8")
    return new != old


def tables(result: dict[str, Any]) -> str:
    """All of them."""
    parts = (
        network_table(result.get("networks", {})),
        reach_table(result.get("networks", {})),
        flash_table(result.get("flash", {})),
        kernel_table(result.get("kernels", {}).get("single kernels", [])),
    )
    return "\n".join(parts)


def network_table(rows: dict[str, Any]) -> str:
    """Flash, RAM and instructions of every network and file."""
    lines = [
        "| network | file | loss | flash | of it constants | TFLM: file | TFLM: arena | RAM | of it stack | M4 "
        "| M4 SIMD | M55 | M55 SIMD |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, row in rows.items():
        form = row["streamed"]
        arena = "refused" if row["tflm_arena_bytes"] is None else f"{row['tflm_arena_bytes']:,}"
        cells = [*name.split(), f"{100 * row['loss']:.1f}", f"{form['flash_bytes']:,}", f"{form['constant_bytes']:,}"]
        cells += [f"{row['tflm_file_bytes']:,}", arena, f"{form['ram_bytes']:,}", f"{form['stack_bytes']:,}"]
        cells += [f"{form[count] / 1e6:.1f}" for count in COUNTS]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def reach_table(rows: dict[str, Any]) -> str:
    """What streaming and sparse execution save on the Cortex-M4, portable."""
    lines = [
        "| network | file | streams | arena apart | arena streamed | saved | arena of the original | M4 apart "
        "| M4 streamed | M4, zeros stored |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, row in rows.items():
        network, file = name.split()
        apart, streamed, dense = row["apart"], row["streamed"], row["dense"]
        original = rows.get(f"{network} original")
        saved = 1 - streamed["arena_bytes"] / apart["arena_bytes"]
        cells = [network, file, str(streamed["streamed"]), f"{apart['arena_bytes']:,}"]
        cells += [f"{streamed['arena_bytes']:,}", f"{100 * saved:.0f} %"]
        cells.append("–" if original is None else f"{original['streamed']['arena_bytes']:,}")
        cells += [f"{form[COUNTS[0]] / 1e6:.1f}" for form in (apart, streamed, dense)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def flash_table(rows: dict[str, Any]) -> str:
    """Bytes of each target's artefact at equal accuracy."""
    networks = list(dict.fromkeys(name.split()[0] for name in rows))
    targets = list(dict.fromkeys(name.split()[1] for name in rows))
    lines = [f"| network | {' | '.join(f'`{t}`' for t in targets)} | `c` against the best other |"]
    lines.append("|---" + "|---:" * (len(targets) + 1) + "|")
    for network in networks:
        sizes = {t: flash_at_bound(rows[f"{network} {t}"]) for t in targets if f"{network} {t}" in rows}
        cells = [flash_cell(sizes[t]) if t in sizes else "–" for t in targets]
        others = [size.value for t, size in sizes.items() if t != "c" and size]
        own = sizes.get("c")
        cells.append(f"{100 * (own.value / min(others) - 1):+.0f} %" if others and own else "–")
        lines.append(f"| {network} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def flash_at_bound(row: dict[str, Any]) -> Size | None:
    return size_at([Point(*point) for point in row["points"]], row["bound"])


def flash_cell(size: Size | None) -> str:
    return f"{size.value:,.0f} ({size.low:,.0f} to {size.high:,.0f})" if size else "none found"


def kernel_table(rows: list[dict[str, Any]]) -> str:
    """Instructions for each product of the dense convolution, and how many times fewer than the dense kernel's."""
    shapes = list(dict.fromkeys((r["side"], r["channels"]) for r in rows))
    dense = {
        (r["board"], r["kind"], r["side"], r["channels"]): r["instructions"] for r in rows if r["kernel"] == "dense"
    }
    lines = [
        f"| board | kernel | {' | '.join(f'{s}×{s}×{c}' for s, c in shapes)} |",
        "|---|---" + "|---:" * len(shapes) + "|",
    ]
    for key in dict.fromkeys((r["board"], r["kind"], r["kernel"], r["percent"]) for r in rows):
        board, kind, kernel, percent = key
        cells = []
        for r in rows:
            if (r["board"], r["kind"], r["kernel"], r["percent"]) == key:
                times = dense[board, kind, r["side"], r["channels"]] / r["instructions"]
                gain = f" ({times:.1f}×)" if percent < 100 else ""
                cells.append(f"{r['instructions'] / r['products']:.2f}{gain}")
        share = f" {percent} %" if percent < 100 else ""
        lines.append(f"| {board}, {kind} | {kernel}{share} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
