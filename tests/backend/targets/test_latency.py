from __future__ import annotations

import pytest

from compiler.backend.targets.graph import read_graph
from compiler.backend.targets.latency import CORTEX_M7, ETHOS_U55_128, XNNPACK, estimate_time, padding
from tests.backend.targets.int8_network import Int8Network


def time_of(c_in: int, c_out: int, size: int = 1, side: int = 16) -> float:
    network = Int8Network((side, side, c_in))
    network.conv(c_out, size)
    return estimate_time(read_graph(network.tflite()), XNNPACK)


def test_channels_off_the_grid_cost_as_much_as_the_next_on_it() -> None:
    assert time_of(16, 10) == pytest.approx(time_of(16, 16))
    assert time_of(10, 16) == pytest.approx(time_of(16, 16))
    assert time_of(16, 17) > 1.9 * time_of(16, 16) - XNNPACK.start
    assert padding(16, 16) == 1
    assert padding(17, 16) == 32 / 17


def test_thin_factors_can_cost_more_than_the_layer() -> None:
    """16→16 3×3 at 32²: a quarter of the arithmetic in three layers takes longer, as was measured."""
    whole = time_of(16, 16, 3, 32)
    split = time_of(16, 8, 1, 32) + time_of(8, 8, 3, 32) + time_of(8, 16, 1, 32)
    assert 16 * 8 + 9 * 8 * 8 + 8 * 16 < 9 * 16 * 16 / 2
    assert split > whole


def test_weights_that_stream_set_a_floor() -> None:
    network = Int8Network((1, 1, 64))
    network.conv(64, 3)
    graph = read_graph(network.tflite())
    assert estimate_time(graph, ETHOS_U55_128) == 9 * 64 * 64
    assert estimate_time(graph, CORTEX_M7) > 9 * 64 * 64
