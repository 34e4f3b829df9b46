"""How much synthesis may cost, time by the network's arithmetic, memory by the size of a batch; inputs of one's own."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from compiler.errors import BadInput
from compiler.options import Options
from compiler.run.calibration_inputs import (
    LEAST,
    LEAST_BATCH,
    MOST,
    MOST_STEPS,
    PATIENT_STEPS,
    WORK,
    effort,
    users_inputs,
)


@pytest.mark.parametrize(
    ("macs", "values", "count", "batch"),
    [
        (41_000_000, 32 * 32 * 3, MOST, 160),  # ResNet-20
        (40_000_000, 224 * 224 * 3, MOST, LEAST),  # MobileNetV1 0.25: large pictures, little arithmetic
        (4_100_000_000, 224 * 224 * 3, LEAST, LEAST_BATCH),  # ResNet-50
        (15_500_000_000, 224 * 224 * 3, LEAST, LEAST_BATCH),  # VGG-16
        (0, 1, MOST, MOST),
    ],
)
def test_large_networks_get_fewer_inputs_in_smaller_batches(macs: int, values: int, count: int, batch: int) -> None:
    found = effort(macs, values)
    assert (found.count, found.batch) == (count, batch)
    assert found.steps <= MOST_STEPS
    assert found.steps <= found.most_steps <= PATIENT_STEPS
    assert found.most_steps == found.steps or found.most_steps * found.count * macs <= WORK


def test_more_arithmetic_never_buys_more() -> None:
    efforts = [effort(10**exponent, 3072) for exponent in range(5, 12)]
    for more, less in itertools.pairwise(efforts):
        assert more.count >= less.count
        assert more.batch >= less.batch
        assert more.count * more.steps >= less.count * less.steps


def test_inputs_of_ones_own_keep_to_the_range_that_is_asked(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3)).astype(np.uint8)
    np.savez(tmp_path / "cal.npz", x=x)
    network: Any = SimpleNamespace(input_shapes=((4, 4, 3),))
    paths: dict[str, Any] = {"input_path": Path("net.keras"), "output_path": Path("net.tflite")}
    asked = Options(**paths, calibration_data=str(tmp_path / "cal.npz"), input_range=(0.0, 1.0))
    with pytest.raises(BadInput, match=r"^--calibration_data cal\.npz feeds the network values .* about 0 to 1; set"):
        users_inputs(network, asked)
    (found,), _ = users_inputs(network, replace(asked, input_scale=255.0))
    assert len(found) == 6
