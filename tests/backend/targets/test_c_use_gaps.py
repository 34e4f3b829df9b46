"""Sparse convolutions take the kernel of fewer instructions where the arena has a gap, and nothing alive is in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from compiler.backend.targets.c.choose_storage import choose_storage
from compiler.backend.targets.c.compose import compose
from compiler.backend.targets.c.fold_pads import fold_pads
from compiler.backend.targets.c.graph import read_graph
from compiler.backend.targets.c.lower import lower
from compiler.backend.targets.c.operators.conv import PLANAR_POSITIONS
from compiler.backend.targets.c.operators.stream import Stream
from compiler.backend.targets.c.plan_arena import Buffer, Plan, buffers_of
from compiler.backend.targets.c.schedule import Schedule, schedule
from compiler.backend.targets.c.use_gaps import gaps, use_gaps
from kernels import SOURCES
from tests.backend.targets.test_c_emit import assert_equal, needs_compiler
from tests.kernels.random_network import RandomNetwork


def narrowing(density: float = 0.2) -> bytes:
    """Two wide maps set the peak; before and behind it are sparse convolutions."""
    net = RandomNetwork((24, 24, 8))
    x = net.conv(net.input, 8, (3, 3), relu=True, density=density)
    x = net.add(x, net.unary("LOGISTIC", x, 1 / 256, -128))
    x = net.conv(x, 16, (3, 3), (2, 2), relu=True)
    x = net.conv(net.conv(x, 72, (3, 3), density=density), 16)  # streamed
    x = net.conv(x, 16, (3, 3), (2, 2), density=density, relu=True)
    return net.tflite(net.dense(net.reshape(x, (1, 6 * 6 * 16)), 5))


def scheduled(tflite: bytes, fuse: bool) -> tuple[Schedule, tuple[int, int, int]]:
    graph = read_graph(tflite)
    nodes, sink = lower(graph)
    ends = (graph.input.index, graph.input.size, sink)
    return schedule(choose_storage(fold_pads(nodes, sink), 0.75), *ends, fuse=fuse), ends


@pytest.mark.parametrize("fuse", [True, False])
def test_gaps_hold_nothing_that_is_alive(fuse: bool) -> None:
    before, ends = scheduled(narrowing(), fuse)
    after = use_gaps(before, *ends)
    assert after.plan.bytes == before.plan.bytes
    assert after.plan.offsets.items() >= before.plan.offsets.items()
    buffers = buffers_of(before.nodes, *ends)
    taken = [step for step, node in enumerate(after.nodes) if node.gap_bytes]
    assert taken
    for step in taken:
        begin = after.plan.offsets["gap", step]
        end = begin + after.nodes[step].gap_bytes
        assert 0 <= begin < end <= after.plan.bytes
        for buffer in buffers:
            at = after.plan.offsets[buffer.key]
            assert not buffer.first <= step <= buffer.last or end <= at or at + buffer.bytes <= begin


def test_gaps_lie_between_what_is_alive() -> None:
    """Of two values that share bytes, the longer one counts."""
    places = {0: (10, 50, 0, 3), 1: (20, 10, 1, 2), 2: (70, 5, 2, 4), 3: (0, 90, 3, 9)}  # offset, bytes, first, last
    buffers = [Buffer(("value", v), size, first, last) for v, (_, size, first, last) in places.items()]
    plan = Plan({("value", v): place[0] for v, place in places.items()}, 100)
    assert list(gaps(plan, buffers, 2)) == [(0, 10), (60, 10), (75, 25)]
    assert list(gaps(plan, buffers, 9)) == [(90, 10)]


def test_where_there_is_no_gap_the_kernel_stays() -> None:
    """The convolution is what the arena is full of."""
    net = RandomNetwork((9, 11, 16))
    x = net.conv(net.input, 32, (3, 3), density=0.2, relu=True)
    before, ends = scheduled(net.tflite(net.mean(x)), fuse=False)
    assert [node.gap_bytes for node in use_gaps(before, *ends).nodes] == [0, 0]


def test_a_stage_of_a_stream_has_a_gap_too() -> None:
    before, ends = scheduled(narrowing(), fuse=True)
    (stream,) = (node for node in use_gaps(before, *ends).nodes if isinstance(node, Stream))
    assert stream.gap_bytes == 9 * 16 * PLANAR_POSITIONS


@pytest.mark.parametrize(
    ("width", "channels", "gains"), [(5, 9, True), (4, 9, False), (5, 8, False)], ids=["enough", "narrow", "few"]
)
def test_where_it_would_cost_more_the_kernel_stays(width: int, channels: int, gains: bool) -> None:
    net = RandomNetwork((12, width, 16))
    x = net.conv(net.input, 64)
    x = net.conv(net.conv(x, 8), channels, (3, 3), density=0.2)
    before, ends = scheduled(net.tflite(net.mean(x)), fuse=False)
    assert any(node.gap_bytes for node in use_gaps(before, *ends).nodes) is gains


@needs_compiler
@pytest.mark.parametrize("fuse", [True, False])
def test_the_emitted_network_has_the_kernel_and_the_same_answers(fuse: bool, tmp_path: Path) -> None:
    emitted = assert_equal(narrowing(), tmp_path / "net", fuse=fuse)
    assert "conv2d_sparse_planar_s8.c" in emitted.files
    assert "conv2d_sparse_planar_s8.c" not in compose(narrowing(density=1.0)).files


def test_positions_are_those_of_the_kernel() -> None:
    text = (SOURCES / "kernels.h").read_text(encoding="utf-8")
    found = re.search(r"#define CONV2D_PLANAR_POSITIONS (\d+)", text)
    assert found is not None
    assert int(found[1]) == PLANAR_POSITIONS
