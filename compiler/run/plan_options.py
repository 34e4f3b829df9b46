"""What a plan has decided, as options: whoever replays one repeats none of its flags."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

from compiler.options import Options
from compiler.types import Plan

TEXTS = ("pruning_structure", "compression_type", "method", "budget", "io", "recover", "exclude", "accelerator")
NUMBERS = ("block_size", "input_range", "max_acc_loss", "max_file_bytes", "max_arena_bytes", "max_latency_ratio")


def plan_options(options: Options, plan: Plan) -> Options:
    """`options` with the target, seed and settings of `plan`; an input range or calibration data of one's own stay."""
    settings = dict(plan.settings)
    decided: dict[str, Any] = {name: settings[name] for name in TEXTS if name in settings}
    decided |= {name: ast.literal_eval(settings[name]) for name in NUMBERS if name in settings}
    decided |= {name: None for name, value in decided.items() if value == "None"}
    if options.input_range is not None:
        decided.pop("input_range", None)
    return replace(options, target=plan.target, seed=plan.seed, **decided)
