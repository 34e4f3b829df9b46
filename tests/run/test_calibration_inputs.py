"""How much synthesis may cost: time by the network's arithmetic, memory by the size of a batch."""

from __future__ import annotations

import itertools

import pytest

from compiler.run.calibration_inputs import LEAST, LEAST_BATCH, MOST, MOST_STEPS, effort


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


def test_more_arithmetic_never_buys_more() -> None:
    efforts = [effort(10**exponent, 3072) for exponent in range(5, 12)]
    for more, less in itertools.pairwise(efforts):
        assert more.count >= less.count
        assert more.batch >= less.batch
        assert more.count * more.steps >= less.count * less.steps
