"""Write the tables of README and docs from `benchmarks/results/*.json`, between the markers that name a suite.

    python benchmarks/tables.py            rewrites the files
    python benchmarks/tables.py --check    exits 1 if one of them is out of date

A table stands between `<!-- table: SUITE -->` and `<!-- end -->`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).resolve().parent / "results"
BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
HEAD = "| run | weights kept | file kept | accuracy | drop in points (95 %) | seconds |\n|---|---|---|---|---|---|\n"
TARGET_HEAD = (
    "| run | weights kept | bytes in flash | arena bytes | MACs | time | accuracy as int8 |\n" + 7 * "|---" + "|\n"
)
ABLATION_HEAD = (
    "| network, share kept, variant | weights kept | drop in points (95 %) | divergence, synthetic inputs | "
    "divergence, images | seconds |\n" + 6 * "|---" + "|\n"
)
PREDICTION_HEAD = (
    "| network, share kept | predicted, nats | measured on held-out inputs | measured on images |\n"
    + 4 * "|---"
    + "|\n"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if a table is out of date")
    check = parser.parse_args().check
    stale = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        old = page.read_text(encoding="utf-8")
        new = BLOCK.sub(lambda match: match[1] + table(match[2]) + match[3], old)
        if new != old:
            stale.append(page.name)
            if not check:
                page.write_text(new, encoding="utf-8")
    if stale:
        print(f"{'out of date' if check else 'rewritten'}: {', '.join(stale)}")
    return int(check and bool(stale))


def table(suite: str) -> str:
    """The suite's rows as a Markdown table."""
    path = RESULTS / f"{suite}.json"
    if not path.exists():
        return "Not measured yet.\n"
    content = json.loads(path.read_text(encoding="utf-8"))
    head, form = FORMS.get(suite, (HEAD, row))
    return head + "".join(form(name, values) for name, values in content["rows"].items()) + footer(content)


def footer(content: dict[str, Any]) -> str:
    """What a suite says of all its rows together; empty where that is nothing."""
    if "correlation_held_out" not in content:
        return ""
    return (
        f"\nCorrelation of the logarithms {content['correlation_held_out']:.3f} (images: "
        f"{content['correlation_images']:.3f}); worst ratio of measured to predicted, or its inverse, "
        f"{content['worst_ratio_held_out']:.2f} (images: {content['worst_ratio_images']:.2f}).\n"
    )


def row(name: str, values: dict[str, Any]) -> str:
    if values["exit_code"]:
        return f"| {name} | exit {values['exit_code']} | | | {values['error']} | |\n"
    low, high = values["interval"]
    scores = "no labels"
    if values["original"] is not None:
        scores = f"{100 * values['original']:.1f} → {100 * values['compressed']:.1f}"
    return (
        f"| {name} | {100 * values['kept']:.1f} % | {100 * values['file_kept']:.1f} % | {scores} | "
        f"{100 * values['loss']:.2f} ({100 * low:.2f} to {100 * high:.2f}) | {values['seconds']:.0f} |\n"
    )


def target_row(name: str, values: dict[str, Any]) -> str:
    """The original's figures before the compressed network's, both of the target's own tool in the same run."""
    if values["exit_code"]:
        return f"| {name} | exit {values['exit_code']}: {values['error']} | | | | | |\n"
    on = values["on_target"]
    before, after = (on[which]["figures"] for which in ("original", "compressed"))
    accuracy = f"{100 * values['loss']:.1f} % of answers changed"
    if values["original_int8"] is not None:
        accuracy = f"{100 * values['original_int8']:.1f} → {100 * values['compressed']:.1f}"
    return (
        f"| {name} | {100 * values['kept']:.1f} % | {before['flash_bytes']:,} → {after['flash_bytes']:,} | "
        f"{before['arena_bytes']:,} → {after['arena_bytes']:,} | {before['macs']:,} → {after['macs']:,} | "
        f"{before['time']:,.4g} → {after['time']:,.4g} {after['time_unit']}, {after['time_label']} | {accuracy} |\n"
    )


def ablation_row(name: str, values: dict[str, Any]) -> str:
    low, high = values["interval"]
    return (
        f"| {name} | {100 * values['kept']:.1f} % | {100 * values['loss']:.2f} ({100 * low:.2f} to {100 * high:.2f}) | "
        f"{values['divergence_synthetic']:.4f} | {values['divergence_images']:.4f} | {values['seconds']:.0f} |\n"
    )


def prediction_row(name: str, values: dict[str, Any]) -> str:
    predicted = values["predicted"]
    measured = (f"{values[key]:.3f} ({values[key] / predicted:.2f} times)" for key in ("held_out", "images"))
    return f"| {name} | {predicted:.3f} | {' | '.join(measured)} |\n"


FORMS = {
    "targets": (TARGET_HEAD, target_row),
    "ablation": (ABLATION_HEAD, ablation_row),
    "prediction": (PREDICTION_HEAD, prediction_row),
}


if __name__ == "__main__":
    sys.exit(main())
