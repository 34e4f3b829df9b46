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
    content = json.loads((RESULTS / f"{suite}.json").read_text(encoding="utf-8"))
    return HEAD + "".join(row(name, values) for name, values in content["rows"].items())


def row(name: str, values: dict[str, Any]) -> str:
    if values["exit_code"]:
        return f"| {name} | exit {values['exit_code']} | | | {values['error']} | |\n"
    low, high = values["interval"]
    return (
        f"| {name} | {100 * values['kept']:.1f} % | {100 * values['file_kept']:.1f} % | "
        f"{100 * values['original']:.1f} → {100 * values['compressed']:.1f} | "
        f"{100 * values['loss']:.2f} ({100 * low:.2f} to {100 * high:.2f}) | {values['seconds']:.0f} |\n"
    )


if __name__ == "__main__":
    sys.exit(main())
