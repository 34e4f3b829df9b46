"""docs/targets.md, written from the targets themselves: their docstrings are the sentences users read in errors.

python -m compiler.backend.targets.document             writes docs/targets.md
python -m compiler.backend.targets.document --check     exits 1 where it is out of date
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path

from compiler.backend.targets import TARGETS
from compiler.backend.targets.target import ANY_SITE, STRUCTURES, Target
from compiler.backend.verify import KERNELS
from compiler.types import DENSE, Choice

PAGE = Path(__file__).resolve().parents[3] / "docs" / "targets.md"

EXAMPLES = (
    ("left dense", DENSE),
    ("tucker2, ranks 16 and 16", Choice("tucker2", (16, 16))),
    ("tucker2, ranks 16 and 18", Choice("tucker2", (16, 18))),
    ("unstructured, a tenth kept", Choice("none", structure="unstructured", kept=3686)),
    ("block 4×4, a tenth kept", Choice("none", structure="block", block=(4, 4), kept=230)),
    ("cp, 56 components", Choice("cp", (56,))),
    ("tucker2 16, 16 and 8 channels", Choice("tucker2", (16, 16), "channel", kept=8)),
    ("tucker2 16, 16 and 8 filters", Choice("tucker2", (16, 16), "filter", kept=8)),
)

HEAD = """# Targets

<!-- Written by `python -m compiler.backend.targets.document`; edit the docstrings in compiler/backend/targets/. -->

A saving that the device doesn't see is none. `--target` chooses the object that prices candidates, rounds ranks,
rules structures in or out, compiles the int8 file with the target's own tool, runs it there, and reports the result
beside the original network's int8 file through the same tool.

A choice that a target can't hold is refused with the nearest that it can, never silently downgraded. "Stored whole"
is one kernel with zeros in it; "smaller dense" is a convolution over the channels that the branch touches, with a
selection of input channels and a scatter to output channels around it; "seldom smaller" likewise, where the tiles of a
quarter of the weights can touch every channel already.

Two readings of a clock differ, so a time in ms may be 5 % above `--max_latency_ratio` or the original's before it
counts as too long; counts and estimates repeat exactly and may not.
"""

TAIL = """
## Adding a target

One file with a frozen subclass of `Target` (compiler/backend/targets/target.py) and one line in `TARGETS`
(compiler/backend/targets/\\_\\_init\\_\\_.py). tests/backend/targets/test_registry.py adds one in a dozen lines.
"""


def document() -> str:
    """The whole page."""
    return HEAD + "\n" + overview() + prices() + "".join(section(target) for target in TARGETS.values()) + TAIL


def overview() -> str:
    """A table with a row for each structure and a column for each target."""
    head = "| structure | " + " | ".join(f"`{name}`" for name in TARGETS) + " |\n"
    rule = "|---" * (len(TARGETS) + 1) + "|\n"
    rows = (
        f"| {structure} | " + " | ".join(realisation(target, structure) for target in TARGETS.values()) + " |\n"
        for structure in STRUCTURES
    )
    return head + rule + "".join(rows)


def realisation(target: Target, structure: str) -> str:
    """What becomes of a sparse branch, in two words."""
    if not target.realises(structure):
        return "refused"
    if not target.stores_whole(structure):
        return "smaller dense" if target.saves(structure) else "seldom smaller"
    return "stored sparse" if target.sparse_storage else "stored whole"


def section(target: Target) -> str:
    """One target: what it is, its rules, and what each step does."""
    lines = [f"\n## `{target.name}`: {target.title}\n", text(type(target)), "", f"Tool: {target.tool}.", ""]
    if target.constraints:
        lines += ["Constraints:", "", *(f"* {text(constraint)}" for constraint in target.constraints), ""]
    lines += [f"* **Inputs and outputs.** {', '.join(target.io)}."]
    steps = (
        ("Ranks", target.rank_grid),
        ("Price", target.constant_bytes),
        ("Artefact", target.compile),
        ("Figures", target.measure),
        ("Verified", target.verify),
    )
    lines += [f"* **{label}.** {text(method)}" for label, method in steps]
    lines += [f"* **Accuracy.** Counted on LiteRT with {KERNELS[target.kernels]}."]
    lines += [f"* **Arena of a plan.** {target.arena_evidence}"]
    lines += [f"* **Time of a plan.** {target.processor.evidence}"]
    return "\n".join(lines) + "\n"


def prices() -> str:
    """What some choices weigh on each target, for one layer."""
    head = "| choice for a 3×3 layer 64→64 | " + " | ".join(f"`{name}`" for name in TARGETS) + " |\n"
    rule = "|---" + "|---:" * len(TARGETS) + "|\n"
    rows = (
        f"| {label} | " + " | ".join(price(target, choice) for target in TARGETS.values()) + " |\n"
        for label, choice in EXAMPLES
    )
    return "\nWeight bytes of the artefact:\n\n" + head + rule + "".join(rows)


def price(target: Target, choice: Choice) -> str:
    """Weight bytes of a choice at the example's layer, or why there are none."""
    return "refused" if target.refusal(ANY_SITE, choice) else f"{target.cost(ANY_SITE, choice).weight_bytes:,}"


def text(documented: Callable[..., object]) -> str:
    """A docstring on one line."""
    return " ".join((inspect.getdoc(documented) or "").split())


def main(arguments: list[str]) -> int:
    page = document()
    if "--check" in arguments:
        if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page:
            return 0
        print(f"{PAGE.name} is out of date: run python -m compiler.backend.targets.document", file=sys.stderr)
        return 1
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
