"""Side by side with what a user would pick instead: every method on every network, at every budget, with and without
data, through one converter and on one set of images.

    python benchmarks/compare.py                                  all of it: many hours, and it goes on where it stopped
    python benchmarks/compare.py --suite quick                    the carried network, under ten minutes
    python benchmarks/compare.py --network resnet8 --method ours  a part of it
    python benchmarks/compare_tables.py                           writes the tables and plots of README and docs

Rows are written to `benchmarks/results/compare-<network>.json` as they come, each measured in a process of its own
(benchmarks/peers/row.py). Rows that are there are kept, `--again` repeats them. Runs on different networks may go on
side by side.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.peers import DATA, METHODS  # noqa: E402
from benchmarks.suites import NETWORKS  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
BUDGETS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
LOGGED = re.compile(r"[IWE]\d{4} ")  # a line of TensorFlow's, which comes behind the reason
LONGEST = 3600.0  # seconds that one row may take


@dataclass(frozen=True, slots=True)
class Suite:
    """Which rows there are. A method has none for data that it can't be given; `one`: it is given the first of `data`
    that it can be, and not the others."""

    networks: tuple[str, ...]
    methods: tuple[str, ...]
    budgets: tuple[float, ...]
    data: tuple[str, ...]
    one: bool = False


HERE = tuple(m for m in METHODS if "elsewhere" not in METHODS[m].function and not m.startswith("ours,"))
SUITES = {
    "full": Suite(("resnet20_jpeg", "resnet8", "vgg8_jpeg", "mobilenet", "ds_cnn"), tuple(METHODS), BUDGETS, DATA),
    "quick": Suite(("digits",), HERE, (0.5, 0.25), ("synthetic", "nothing"), one=True),
}


@dataclass(frozen=True, slots=True)
class Row:
    network: str
    method: str
    budget: float
    data: str

    @property
    def name(self) -> str:
        return f"{self.method} {self.budget:.2f} {self.data}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", choices=SUITES, default="full", help="which rows [default: %(default)s]")
    parser.add_argument(
        "--network", choices=sorted(NETWORKS), action="append", help="only these [default: the suite's]"
    )
    parser.add_argument("--method", action="append", choices=METHODS, help="only these [default: the suite's]")
    parser.add_argument("--data", action="append", choices=DATA, help="only these [default: the suite's]")
    parser.add_argument("--budgets", type=budgets_of, help="only these, as in 0.5,0.3 [default: the suite's]")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="cores a row may use [default: all]")
    parser.add_argument("--again", action="store_true", help="measure rows that have a result too [default: off]")
    given = parser.parse_args()
    suite = SUITES[given.suite]
    chosen = Suite(
        tuple(given.network or suite.networks),
        tuple(given.method or suite.methods),
        given.budgets or suite.budgets,
        tuple(given.data or suite.data),
        suite.one and not given.data,
    )
    for network in chosen.networks:
        missing = NETWORKS[network].missing
        if missing is not None:
            print(f"left out: {network}, {missing.name} is not there", flush=True)
            continue
        known = stored(network)
        inputs: dict[str, dict[str, Any]] = {}  # by kind of data: nothing, or why there are none
        for row in rows_of(chosen, network):
            if row.name in known and not given.again:
                continue
            if row.data not in inputs:  # what a row's clock must not see
                inputs[row.data] = process(row, given.jobs, "--inputs_only")
            known[row.name] = inputs[row.data] or process(row, given.jobs)
            print(line(row, known[row.name]), flush=True)
            store(network, known)
    return 0


def budgets_of(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def rows_of(suite: Suite, network: str) -> Iterator[Row]:
    """The suite's rows of one network, method by method."""
    for method in suite.methods:
        kinds = [data for data in suite.data if data in METHODS[method].data]
        for data in kinds[:1] if suite.one else kinds:
            yield from (Row(network, method, budget, data) for budget in suite.budgets)


def process(row: Row, jobs: int, *flags: str) -> dict[str, Any]:
    """The row's figures, or the sentence that says why there are none."""
    command = [sys.executable, str(ROOT / "benchmarks" / "peers" / "row.py"), row.network, row.method]
    command += [str(row.budget), row.data, f"--jobs={jobs}", *flags]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, cwd=ROOT)
    except subprocess.TimeoutExpired:
        return {"error": f"not done after {LONGEST:.0f} s.", "infeasible": False}
    if done.returncode != 0:
        said = [line for line in done.stderr.strip().splitlines() if not LOGGED.match(line)]
        return {"error": said[-1] if said else f"no message, exit code {done.returncode}", "infeasible": False}
    return json.loads(done.stdout.splitlines()[-1])


def stored(network: str) -> dict[str, Any]:
    """The rows that are there already."""
    path = RESULTS / f"compare-{network}.json"
    return json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else {}


def store(network: str, rows: dict[str, Any]) -> None:
    """Write all rows, under another name until they are whole: a run may be interrupted at any time."""
    from compiler.run.versions import versions

    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"compare-{network}.json"
    machine = {"machine": platform.machine(), "cores": os.cpu_count(), "versions": dict(versions())}
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"suite": "compare", "network": network, **machine, "rows": rows}, indent=1) + "\n")
    part.replace(path)


def line(row: Row, figures: dict[str, Any]) -> str:
    """One printed line of a row."""
    if "error" in figures:
        return f"| {row.network} {row.name} | {figures['error']} |"
    low, high = figures["interval"] or (float("nan"), float("nan"))
    arena = figures["arena_ratio"] or float("nan")
    return (
        f"| {row.network} {row.name} | kept {figures['kept']:.4f} | file {figures['file_bytes']:,} | "
        f"drop {100 * figures['loss']:.2f} ({100 * low:.2f} to {100 * high:.2f}) | "
        f"arena × {arena:.2f} | time × {figures['latency_ratio']:.2f} | "
        f"{figures['seconds']:.0f} s, {figures['peak_memory_bytes'] / 2**20:.0f} MiB |"
    )


if __name__ == "__main__":
    sys.exit(main())
