"""The verbs of `python -m compiler`, one file each; what they import at their top is light: --help has to be quick."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from compiler.cli import guarded
from compiler.cli import main as compress
from compiler.errors import BadInput

VERBS = {
    "inspect": "what can be compressed, why the rest can't, and what each budget is predicted to cost; writes nothing",
    "compress": "compress a network into an int8 TFLite file; the flags are those of scripts/compress.py",
    "sweep": "compress over factors, structures, types, targets and networks, and lay the fronts side by side",
    "report": "draw the page of a report from its JSON",
    "verify": "check an emitted file once more, against its report, its plan and its network",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return 0
    verb, *rest = words
    if verb == "compress":
        return compress(rest, "python -m compiler compress")
    if verb == "sweep":
        return guarded(lambda: run(verb, rest), "rows that are done are kept; the same command does the rest.")
    return guarded(lambda: run(verb, rest))


def run(verb: str, words: Sequence[str]) -> None:
    if verb not in VERBS:
        raise BadInput(f"there is no verb {verb!r}; use one of {', '.join(VERBS)}.")
    importlib.import_module(f"compiler.verbs.{verb}").run(words)


def usage() -> str:
    """The answer to --help."""
    lines = [f"  {verb:<10}{what}" for verb, what in VERBS.items()]
    return "\n".join(["usage: python -m compiler VERB [flags]", "", *lines, "", "Each has a --help of its own."])
