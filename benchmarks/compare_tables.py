"""Write what `benchmarks/results/*.json` says of the comparison into README and docs, between the markers that name it.

    python benchmarks/compare_tables.py            rewrites the pages and the plots
    python benchmarks/compare_tables.py --check    exits 1 if a page is out of date

A table stands between `<!-- compare: NAME -->` and `<!-- end -->`; `TABLES` says what NAME may be.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.areas import area  # noqa: E402
from benchmarks.compare import SUITES  # noqa: E402
from benchmarks.peers import DATA, METHODS  # noqa: E402
from benchmarks.published import PUBLISHED  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
PAGES = (ROOT / "README.md", ROOT / "docs" / "comparison.md")
PLOT = ROOT / "docs" / "comparison.svg"
BLOCK = re.compile(r"(<!-- compare: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
NETWORKS = (*SUITES["full"].networks, *SUITES["quick"].networks)
SHOWN = 0.5  # the budget at which bytes, RAM and time are shown
NOTHING_YET = "Nothing has been measured yet.\n"

Rows = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if a page is out of date")
    return write(check=parser.parse_args().check)


def write(*, check: bool) -> int:
    """1 if a page was out of date and `check` is set, else 0."""
    stale = []
    for page in PAGES:
        old = page.read_text(encoding="utf-8")
        new = BLOCK.sub(lambda match: match[1] + TABLES[match[2]]() + match[3], old)
        if new != old:
            stale.append(page.name)
            if not check:
                page.write_text(new, encoding="utf-8")
    if not check:
        plot(PLOT)
    if stale:
        print(f"{'out of date' if check else 'rewritten'}: {', '.join(stale)}")
    return int(check and bool(stale))


def results(name: str) -> dict[str, Any]:
    """The content of a result file; {} where there is none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def compared() -> dict[str, Rows]:
    """Rows by network, of those that have any."""
    found = {network: results(f"compare-{network}").get("rows", {}) for network in NETWORKS}
    return {network: rows for network, rows in found.items() if rows}


def table(head: list[str], rows: list[list[str]], right: int = 1) -> str:
    """Markdown; all columns from the `right`-th are aligned to the right."""
    if not rows:
        return NOTHING_YET
    rule = ["---" if i < right else "---:" for i in range(len(head))]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, rule, *rows))


def short_areas() -> str:
    """One figure a method and network, without data: with our synthetic inputs, where the method can use them."""
    found = compared()
    rows = []
    for method in METHODS:
        data = free(method)
        cells = [points(area(known, method, data, common_budgets(known))) for known in found.values()]
        if any(cell != "–" for cell in cells):
            rows.append([method, *cells])
    return table(["method", *found], rows)


def free(method: str) -> str:
    """The kind of data that costs nobody any."""
    return "synthetic" if "synthetic" in METHODS[method].data else "nothing"


def areas() -> str:
    """One figure a method, network and kind of data."""
    found = compared()
    rows = []
    for method, known in METHODS.items():
        for data in DATA:
            cells = [points(area(of, method, data, common_budgets(of))) for of in found.values()]
            if any(cell != "–" for cell in cells):
                rows.append([method, known.source, data, *cells])
    return table(["method", "source", "data given", *found], rows, 3)


def budget_of(name: str) -> float:
    """The budget in the name of a row, `<method> <budget> <data>`."""
    return float(name.split()[-2])


def budgets_of(rows: Rows) -> tuple[float, ...]:
    """The budgets that a network was measured at."""
    return tuple(sorted(set(map(budget_of, rows))))


def common_budgets(rows: Rows) -> tuple[float, ...]:
    """Those that most methods were measured at: areas over other budgets could not be compared."""
    counts = Counter(map(budget_of, rows))
    return tuple(sorted(budget for budget, count in counts.items() if 2 * count > max(counts.values())))


def curves() -> str:
    """Drop with its interval, at every budget."""
    parts = []
    for network, known in compared().items():
        budgets = sorted(budgets_of(known), reverse=True)
        rows = []
        for method in METHODS:
            for data in DATA:
                entries = [known.get(f"{method} {budget:.2f} {data}") for budget in budgets]
                if any(entries):
                    rows.append([method, data, *map(drop, entries)])
        parts.append(f"**{network}**\n\n" + table(["method", "data given", *(f"{b:g}" for b in budgets)], rows, 2))
    return "\n".join(parts) or NOTHING_YET


def costs() -> str:
    """At half of the weights: bytes, RAM, time on the target, and time and memory of the compression."""
    parts = []
    for network, known in compared().items():
        rows = []
        for method in METHODS:
            for data in DATA:
                entry = known.get(f"{method} {SHOWN:.2f} {data}")
                if entry and "error" not in entry:
                    rows.append(
                        [
                            method,
                            data,
                            f"{100 * entry['kept']:.1f} %",
                            drop(entry),
                            f"{entry['file_bytes']:,}",
                            "–" if entry["arena_bytes"] is None else f"{entry['arena_bytes']:,}",
                            f"{entry['latency_ratio']:.2f}",
                            f"{entry.get('processor_seconds', entry['seconds']):.1f}",
                            f"{entry['peak_memory_bytes'] / 2**20:,.0f}",
                        ]
                    )
        head = ["method", "data given", "weights kept", "drop in points (95 %)", "file, B", "arena, B"]
        head += ["time ÷ original's", "processor seconds", "peak, MiB"]
        parts.append(f"**{network}**\n\n" + table(head, rows, 2))
    return "\n".join(parts) or NOTHING_YET


def reasons() -> str:
    """What did not run, in its own words, and what has to be said of what did."""
    told: dict[tuple[str, str], list[str]] = {}
    for network, known in compared().items():
        for name, entry in known.items():
            method = " ".join(name.split()[:-2])
            for sentence in [entry["error"]] if "error" in entry else entry["notes"]:
                told.setdefault((method, sentence), []).append(f"{network} {' '.join(name.split()[-2:])}")
    rows = [[method, cut(sentence), listed(where)] for (method, sentence), where in told.items()]
    return table(["method", "what it says", "where"], rows, 3)


def solver() -> str:
    """Exactness in a sentence, times in a table."""
    found = results("solver")
    if not found:
        return NOTHING_YET
    exact = found["exactness"]
    said = (
        f"{exact['exact']} of {exact['instances']} small instances (up to 5 layers × 8 candidates, 1 to 3 resources, "
        f"{exact['out_of_reach']} of them out of reach) are solved as brute force solves them; largest relative excess "
        f"of the loss {exact['largest_relative_excess']:.1e}.\n\n"
    )
    rows = [
        [
            row["kind"],
            f"{row['sites']} × {row['candidates']:,}",
            str(row["resources"]),
            f"{row['seconds']:.2f}",
            f"{row['worst_seconds']:.2f}",
            f"{row['peak_memory_bytes'] / 2**20:,.0f}",
        ]
        for row in found["times"]
    ]
    head = ["candidates", "layers × candidates", "resources", "processor seconds, median", "worst", "peak, MiB"]
    return said + table(head, rows, 1)


def cost() -> str:
    """Time and memory by network and number of cores, and by stage."""
    found = results("cost").get("rows", {})
    good = {name: row for name, row in found.items() if "error" not in row}
    rows = []
    for name, row in found.items():
        network, cores = name.split()
        if "error" in row:
            rows.append([network, cores, cut(row["error"]), "", "", "", "", ""])
            continue
        each = row["processor_seconds"] / (row["weights"] / 1e6)
        figures = [f"{row['layers']}", f"{row['weights']:,}", f"{row['macs'] / 1e6:,.0f}", f"{row['seconds']:,.0f}"]
        figures += [f"{row['processor_seconds']:,.0f}", f"{each:,.0f}", f"{row['peak_memory_bytes'] / 2**20:,.0f}"]
        rows.append([network, cores, *figures])
    head = ["network", "cores", "layers", "parameters", "million MACs", "seconds", "processor seconds"]
    first = table([*head, "of those, a million parameters", "peak, MiB"], rows, 1)
    stages = list(dict.fromkeys(stage for row in good.values() for stage in row["stages"]))
    by_stage = [[stage, *(stage_cell(row["stages"].get(stage)) for row in good.values())] for stage in stages]
    return first + ("\n" + table(["stage", *(name.replace(" ", ", ") for name in good)], by_stage) if good else "")


def stage_cell(entry: Any) -> str:
    """Processor seconds, and the peak of memory when the stage was over."""
    if entry is None:
        return "–"
    return f"{entry['processor_seconds']:,.1f} s, {entry['peak_memory_bytes'] / 2**20:,.0f} MiB"


def published() -> str:
    """Figures of others, marked as what they are."""
    rows = [
        [p.method, f"{p.source} {p.year}", p.network, p.kept, p.before, p.after, p.used, "published, other set-up"]
        for p in PUBLISHED
    ]
    head = ["method", "source", "network", "parameters kept", "accuracy before", "after", "given", ""]
    return table(head, rows, 8)


def listed(where: list[str]) -> str:
    return ", ".join(where) if len(where) <= 3 else f"{where[0]} and {len(where) - 1} more rows"


def cut(sentence: str) -> str:
    """As a cell: on one line, and no longer than is read."""
    flat = " ".join(sentence.split()).replace("|", "\\|")
    return flat if len(flat) <= 240 else flat[:239] + "…"


def drop(entry: Any) -> str:
    """Points with the paired interval; why there are none in a word."""
    if entry is None:
        return ""
    if "error" in entry:
        return "out of reach" if entry["infeasible"] else "failed"
    if entry["interval"] is None:
        return f"{100 * entry['loss']:.1f}"
    low, high = entry["interval"]
    return f"{100 * entry['loss']:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def points(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def plot(path: Path) -> None:
    """Drop against weights kept, without data: a panel a network, a line a method. Nothing where there are no rows."""
    found = {n: rows for n, rows in compared().items() if n in SUITES["full"].networks} or compared()
    if not found:
        return
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "comparison"  # the same bytes for the same figures
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(found), figsize=(4.2 * len(found), 4.4), squeeze=False)
    methods = [m for m in METHODS if not m.startswith("ours,")]
    styles = [(f"C{i % 10}", ("-", "--", ":")[i // 10 % 3]) for i in range(len(methods))]
    for panel, (network, rows) in zip(panels[0], found.items(), strict=True):
        for method, (colour, style) in zip(methods, styles, strict=True):
            entries = [rows.get(f"{method} {b:.2f} {free(method)}") for b in budgets_of(rows)]
            shown = [(100 * e["kept"], 100 * e["loss"]) for e in entries if e and "error" not in e]
            if shown:
                wide = 2.6 if method == "ours" else 1.2
                panel.plot(*zip(*shown, strict=True), style, color=colour, marker="o", ms=3, lw=wide, label=method)
        panel.set_title(network)
        panel.set_xlabel("stored weight bytes kept, %")
        panel.grid(alpha=0.3)
    panels[0][0].set_ylabel("drop of accuracy, points")
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="lower center", ncols=4, frameon=False, fontsize=8)
    figure.tight_layout(rect=(0, 0.14, 1, 1))
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


TABLES: dict[str, Callable[[], str]] = {
    "short-areas": short_areas,
    "areas": areas,
    "curves": curves,
    "costs": costs,
    "reasons": reasons,
    "solver": solver,
    "cost": cost,
    "published": published,
}


if __name__ == "__main__":
    sys.exit(main())
