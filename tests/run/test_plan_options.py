from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from compiler.options import Options
from compiler.run.plan_options import plan_options
from compiler.run.summary import settings
from compiler.types import Plan

ASKED = Options(
    input_path=Path("net.keras"),
    output_path=Path("net.tflite"),
    target="ethos_u",
    io="uint8",
    seed=5,
    pruning_structure="block",
    block_size=(8, 2),
    input_range=(-1.0, 1.0),
    exclude="stem|head",
    recover="synthetic",
    method="fixed_loss",
    max_acc_loss=0.3,
    jobs=2,
)
PLAIN = Options(input_path=Path("net.keras"), output_path=Path("again.tflite"), jobs=2)


def test_a_plan_brings_every_flag_that_it_decided() -> None:
    session: Any = SimpleNamespace(options=ASKED)
    plan = Plan((), "ethos_u", 5, "", settings=settings(session))
    assert plan_options(PLAIN, plan) == replace(ASKED, output_path=PLAIN.output_path)
    assert plan_options(replace(PLAIN, input_range=(0.0, 9.0)), plan).input_range == (0.0, 9.0)


def test_an_old_plan_leaves_the_rest_as_it_is() -> None:
    assert plan_options(PLAIN, Plan((), "xcore", 3, "")) == replace(PLAIN, target="xcore", seed=3)
