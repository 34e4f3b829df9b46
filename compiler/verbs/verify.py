"""`verify`: check an emitted file once more, against its report, its plan and the network that it was made from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from compiler.cli import quietly
from compiler.errors import BadInput
from compiler.flags import Parser
from compiler.options import Options

WHAT = (
    "Check an emitted file once more: that it is the file its report describes, that all operators are int8 builtins, "
    "that what its target's tool made of it is as it was, that plan and report belong together and, where the network "
    "is at hand, that the file computes what it did."
)


def run(words: Sequence[str]) -> None:
    """The verb; raises CheckFailed for the first check that fails, BadInput for a file that is missing."""
    parser = Parser(prog="python -m compiler verify", description=WHAT, allow_abbrev=False)
    parser.add_argument("file", type=Path, help="the .tflite file; example: out/net.tflite")
    parser.add_argument(
        "--report", type=Path, metavar="PATH", help="[default: <name>.report.json beside it; example: net.report.json]"
    )
    parser.add_argument(
        "--plan", type=Path, metavar="PATH", help="[default: <name>.plan.json beside it, if there; example: p.json]"
    )
    parser.add_argument(
        "--input_path", type=Path, metavar="PATH", help="the network [default: where the report says, if there]"
    )
    parser.add_argument("--model", metavar="TEXT", help="builder in models/ for a .weights.h5 file; example: resnet20")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    parser.add_argument("--json", action="store_true", help="print the checks as JSON")
    given = parser.parse_args(list(words))
    if not given.file.is_file():
        raise BadInput(f"{given.file} does not exist; give the .tflite file of a run.")
    if given.input_path is not None and not given.input_path.is_file():
        raise BadInput(f"--input_path {given.input_path} does not exist; give the network's file, or leave it out.")
    options = Options(input_path=given.input_path or given.file, output_path=given.file, quiet=given.quiet)
    with quietly(options) as progress:
        from compiler.run.verify_file import verify_file

        verified = verify_file(
            given.file,
            report_path=given.report or options.report_path,
            plan_path=given.plan or (options.plan_path if options.plan_path.is_file() else None),
            input_path=given.input_path,
            model_name=given.model,
            progress=progress,
        )
    if given.json:
        print(json.dumps({"file": str(given.file), **asdict(verified)}, indent=2, ensure_ascii=False))
    elif not given.quiet:
        for check in verified.checks:
            print(f"ok: {check}")
        if verified.answers is not None:
            print(verified.answers)
