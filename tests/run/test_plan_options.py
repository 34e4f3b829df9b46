from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from compiler.errors import BadInput
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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("block_size", "(4,"),
        ("block_size", "5"),
        ("block_size", "None"),
        ("block_size", "(4, 4, 4)"),
        ("input_range", "(0, 'one')"),
        ("max_acc_loss", "True"),
        ("max_file_bytes", "1.5"),
        ("method", "None"),
    ],
)
def test_a_setting_that_can_not_be_is_refused(name: str, text: str) -> None:
    with pytest.raises(BadInput, match=rf"^the plan's {name} is .*, which it can't be; give the plan as a run has"):
        plan_options(PLAIN, Plan((), "mobile", 0, "", settings=((name, text),)))
