"""Run a suite and write `benchmarks/results/<suite>.json`: the only source of the figures in README and docs.

    python benchmarks/run.py --suite quick
    python benchmarks/run.py --suite curves --only resnet20_jpeg

Every row is a run of `scripts/compress.py` in a process of its own, so its time and memory are its own. Rows that are
there already are kept (`--again` repeats them), so an interrupted suite goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.suites import NETWORKS, SUITES, Network, Run  # noqa: E402

RESULTS = Path(__file__).resolve().parent / "results"
INFEASIBLE, FACTOR = 3, "--compression_factor"
NEAREST = re.compile(rf"{FACTOR} \S+ can't be met: the smallest reachable is ([\d.]+\d)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", choices=sorted(SUITES), default="quick", help="what to measure (default: quick)")
    parser.add_argument("--only", default="", help="rows whose name contains this (default: all)")
    parser.add_argument("--again", action="store_true", help="measure rows that have a result too (default: off)")
    arguments = parser.parse_args()
    path = RESULTS / f"{arguments.suite}.json"
    rows: dict[str, Any] = json.loads(path.read_text())["rows"] if path.exists() else {}
    for run in SUITES[arguments.suite]():
        if arguments.only not in run.name or (run.name in rows and not arguments.again):
            continue
        train(NETWORKS[run.network])
        missing = NETWORKS[run.network].missing
        if missing is not None:
            print(f"left out: {run.name}, {missing.name} is not there", flush=True)
            continue
        rows[run.name] = measured(run)
        print(line(run.name, rows[run.name]), flush=True)
        RESULTS.mkdir(exist_ok=True)
        machine = {"machine": platform.machine(), "python": platform.python_version()}
        path.write_text(json.dumps({"suite": arguments.suite, **machine, "rows": rows}, indent=1) + "\n")
    return 0


def train(network: Network) -> None:
    """Make a network of our own that is not there yet."""
    if network.trained and not network.file.exists():
        network.file.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(ROOT / "scripts" / "train.py"), f"--output_path={network.file}"]
        subprocess.run([*command, *network.trained], check=True, capture_output=True)


def measured(run: Run) -> dict[str, Any]:
    """What one row's report says, or why there is none."""
    network = NETWORKS[run.network]
    done = compress(network, run.flags)
    nearest = NEAREST.search(done.stderr)
    if done.returncode == INFEASIBLE and nearest:  # the nearest budget that can be met, which the refusal names
        run = replace(run, flags=(*(f for f in run.flags if FACTOR not in f), f"{FACTOR}={nearest[1]}"))
        done = compress(network, run.flags)
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        return {"flags": run.flags, "exit_code": done.returncode, "error": last[0]}
    return figures(run, json.loads(done.stdout))


def compress(network: Network, flags: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """One run of the command line, its report on standard output."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "scripts" / "compress.py"), "--json", "--quiet"]
        command += [f"--input_path={network.file}", f"--output_path={folder}/net.tflite", f"--data={network.data}"]
        return subprocess.run([*command, *network.inputs, *flags], capture_output=True, text=True)


def figures(run: Run, report: dict[str, Any]) -> dict[str, Any]:
    """Of a report, what tables are made of."""
    original, compressed, evidence = report["original"], report["compressed"], report["evidence"]
    return {
        "flags": run.flags,
        "exit_code": 0,
        "kept": compressed["stored_weight_bytes"] / original["stored_weight_bytes"],
        "file_kept": compressed["file_bytes"] / original["file_bytes"],
        "file_bytes": compressed["file_bytes"],
        "macs_kept": compressed["macs"] / original["macs"],
        "metric": evidence["metric"],
        "tier": evidence["tier"],
        "original": evidence["original"],
        "compressed": evidence["compressed"],
        "loss": evidence["loss"],
        "interval": evidence["interval"],
        "examples": evidence["examples"],
        "original_int8": report["original_int8"],
        "on_target": report["on_target"],
        "headline": report["headline"],
        "notes": report["notes"],
        "snr_db": report["verification"]["snr_db"],
        "seconds": report["provenance"]["seconds"],
        "peak_memory_bytes": report["provenance"]["peak_memory_bytes"],
    }


def line(name: str, row: dict[str, Any]) -> str:
    """One row of the printed table."""
    if row["exit_code"]:
        return f"| {name} | exit {row['exit_code']}: {row['error']} |"
    low, high = row["interval"] or (float("nan"), float("nan"))
    before, after = (float("nan") if row[part] is None else row[part] for part in ("original", "compressed"))
    return (
        f"| {name} | kept {row['kept']:.4f} | file {row['file_kept']:.3f} | "
        f"{row['metric']} {before:.4f} → {after:.4f} | "
        f"drop {100 * row['loss']:.2f} ({100 * low:.2f} to {100 * high:.2f}) | {row['seconds']:.0f} s |"
    )


if __name__ == "__main__":
    sys.exit(main())
