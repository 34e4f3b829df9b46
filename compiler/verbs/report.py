"""`report`: the page of a report, drawn from its JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from compiler.errors import BadInput
from compiler.flags import Parser

WHAT = "Draw the page of a report from its JSON; what a run writes as <name>.report.html is the same."


def run(words: Sequence[str]) -> None:
    """The verb; raises BadInput for a file that is no report, or a page that can't be written."""
    parser = Parser(prog="python -m compiler report", description=WHAT, allow_abbrev=False)
    parser.add_argument("report", type=Path, help="the .report.json of a run; example: out/net.report.json")
    parser.add_argument(
        "--output_path", type=Path, metavar="PATH", help="the page [default: <name>.report.html; example: net.html]"
    )
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    given = parser.parse_args(list(words))
    from compiler.report.page import page
    from compiler.report.read_report import read_report
    from compiler.run.write_files import write_files

    drawn = page(read_report(given.report))
    path = given.output_path or given.report.with_suffix(".html")
    if path.exists() and path.samefile(given.report):
        raise BadInput(f"--output_path {path} is the report itself; name another file for the page.")
    write_files({path: drawn.encode()})
    if not given.quiet:
        print(path)
