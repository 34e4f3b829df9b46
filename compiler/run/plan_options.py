"""What a plan has decided, as options: whoever replays one repeats none of its flags."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

from compiler.options import Options
from compiler.types import Plan

TEXTS = ("pruning_structure", "compression_type", "method", "budget", "io", "recover")
VALUES = ("block_size", "input_range")  # written as Python shows them


def plan_options(options: Options, plan: Plan) -> Options:
    """`options` with the target, seed and settings of `plan`; an input range or calibration data of one's own stay."""
    settings = dict(plan.settings)
    decided: dict[str, Any] = {name: settings[name] for name in TEXTS if name in settings}
    decided |= {name: ast.literal_eval(settings[name]) for name in VALUES if name in settings}
    if options.input_range is not None:
        decided.pop("input_range", None)
    if "exclude" in settings:
        decided["exclude"] = None if settings["exclude"] == "None" else settings["exclude"]
    return replace(options, target=plan.target, seed=plan.seed, **decided)
