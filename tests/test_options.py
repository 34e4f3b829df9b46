from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.errors import BadInput
from compiler.options import Options

PATHS: dict[str, Any] = {"input_path": Path("net.keras"), "output_path": Path("out/net.tflite")}


def test_what_lies_beside_the_output() -> None:
    options = Options(**PATHS)
    assert options.plan_path == Path("out/net.plan.json")
    assert options.report_path == Path("out/net.report.json")
    assert options.keras_path == Path("out/net.compressed.keras")
    assert options.jobs >= 1


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("compression_factor", 0.0, r"--compression_factor is 0; it is the share kept"),
        ("compression_factor", 1.01, r"above 0 and up to 1, such as 0\.5"),
        ("compression_factor", float("nan"), r"--compression_factor is nan"),
        ("max_acc_loss", -0.01, r"--max_acc_loss is -0\.01; .*from 0 to 1"),
        ("max_acc_loss", 1.5, r"--max_acc_loss is 1\.5; it is a share \(of accuracy, of changed answers, of the outp"),
        ("block_size", (0, 4), r"--block_size is 0,4; give two positive numbers"),
        ("block_size", (4,), r"--block_size is 4; give two positive numbers"),
        ("pruning_structure", "diagonal", r"--pruning_structure is 'diagonal'; use one of auto, unstructured"),
        ("input_shape", (), r"--input_shape is empty"),
        ("input_shape", (32, -1, 3), r"--input_shape is 32,-1,3"),
        ("input_scale", 0.0, r"--input_scale is 0; inputs are divided by it"),
        ("input_std", (1.0, 0.0), r"--input_std is 1,0"),
        ("input_mean", (float("inf"),), r"--input_mean is inf"),
        ("input_range", (1.0, -1.0), r"--input_range is 1,-1; give the lowest and the highest"),
        ("input_range", (1.0,), r"--input_range is 1;"),
        ("eval_samples", 0, r"--eval_samples is 0; give a positive number"),
        ("exclude", "conv(", r"--exclude 'conv\(' is no regular expression"),
        ("seed", -1, r"--seed is -1"),
        ("jobs", 0, r"--jobs is 0"),
        ("evaluate", "my:score", r"--evaluate scores the examples of --data, which is missing"),
    ],
)
def test_values_that_nothing_makes_right(field: str, value: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Options(**{**PATHS, field: value})


@given(st.floats(0, 1, exclude_min=True), st.floats(0, 1))
def test_every_share_is_accepted(factor: float, loss: float) -> None:
    options = Options(**PATHS, compression_factor=factor, max_acc_loss=loss)
    assert (options.compression_factor, options.max_acc_loss) == (factor, loss)
