"""What a plan has decided, as options: whoever replays one repeats none of its flags."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any, get_type_hints

from compiler.errors import BadInput
from compiler.options import Options
from compiler.run.fits import fits
from compiler.types import Plan

TEXTS = ("pruning_structure", "compression_type", "method", "budget", "io", "recover", "exclude", "accelerator")
NUMBERS = (
    "weight_bits",
    "block_size",
    "input_range",
    "max_acc_loss",
    "max_file_bytes",
    "max_arena_bytes",
    "max_latency_ratio",
)


def plan_options(options: Options, plan: Plan) -> Options:
    """`options` with the target, seed and settings of `plan`; an input range or calibration data of one's own stay.

    Raises BadInput for a setting that the option of its name can't have.
    """
    settings = dict(plan.settings)
    decided = {name: value_of(name, settings[name]) for name in (*TEXTS, *NUMBERS) if name in settings}
    if options.input_range is not None:
        decided.pop("input_range", None)
    return replace(options, target=plan.target, seed=plan.seed, **decided)


def value_of(name: str, text: str) -> Any:
    """A setting's text as the value of the option `name`."""
    try:
        value = ast.literal_eval(text) if name in NUMBERS or text == "None" else text
        if fits(get_type_hints(Options)[name], value):
            return value
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):  # what `literal_eval` has for a bad text
        pass
    raise BadInput(f"the plan's {name} is {text!r}, which it can't be; give the plan as a run has written it.")
