"""How much synthesis may cost, time by the network's arithmetic, memory by the size of a batch; inputs of one's own."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from compiler.datafree.synthesize import Synthetic
from compiler.errors import BadInput
from compiler.options import Options
from compiler.report.progress import Silent
from compiler.run.cache import Cache
from compiler.run.calibration_inputs import (
    LEAST,
    LEAST_BATCH,
    MOST,
    MOST_STEPS,
    PATIENT_STEPS,
    WORK,
    calibration_inputs,
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
    found = users_inputs(network, replace(asked, input_scale=255.0))
    assert [len(x) for x in found.inputs] == [6]
    assert found.spans == ((0.0, 1.0),)
    assert users_inputs(network, replace(asked, input_scale=255.0, input_range=None)).spans == (None,)


def test_what_is_known_of_inputs_is_kept_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Synthetic((np.zeros((2, 3), np.float32), np.ones((2, 4), np.float32)), "noise", 0.0, ((-2.5, 2.75), None))
    asked = iter([made])
    monkeypatch.setattr("compiler.run.calibration_inputs.synthesize", lambda *_, **__: next(asked))
    monkeypatch.setattr("compiler.run.calibration_inputs.inventory", lambda _: SimpleNamespace(sites=()))
    network: Any = SimpleNamespace(
        input_shapes=((3,), (4,)),
        classifier=True,
        hash="00",
        quantized=None,
        whole=None,
        normal=None,
        normal_logits=None,
    )
    options = Options(input_path=Path("net.keras"), output_path=Path("net.tflite"))
    for _ in range(2):  # made, then read
        found = calibration_inputs(network, options, Cache(tmp_path), Silent())
        assert (found.source, found.spans) == (made.source, made.spans)
        for x, y in zip(found.inputs, made.inputs, strict=True):
            np.testing.assert_array_equal(x, y)
