"""Which calls run together: whose values nobody else needs, and as few as the smallest arena asks for."""

from __future__ import annotations

import re

import pytest

from compiler.backend.targets.c.find_streams import LONGEST, spans, values_of
from compiler.backend.targets.c.graph import read_graph
from compiler.backend.targets.c.lower import lower
from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.operators.stream import Stream
from compiler.backend.targets.c.plan_arena import Packing, Plan
from compiler.backend.targets.c.schedule import Schedule, late, schedule, ways_of
from kernels import SOURCES
from tests.kernels.random_network import RandomNetwork, Value


def lowered(net: RandomNetwork, end: Value) -> tuple[tuple[Node, ...], int, int, int]:
    graph = read_graph(net.tflite(end))
    nodes, sink = lower(graph)
    return nodes, graph.input.index, graph.input.size, sink


def streams(net: RandomNetwork, end: Value) -> set[tuple[int, int]]:
    """(begin, end) of every possible stream."""
    nodes, source, size, sink = lowered(net, end)
    found = spans(nodes, values_of(nodes, source, size, sink))
    return {(span.begin, span.end) for span in found if isinstance(span.node, Stream)}


def scheduled(net: RandomNetwork, end: Value) -> Schedule:
    return schedule(*lowered(net, end))


def test_a_value_that_others_read_ends_a_stream() -> None:
    net = RandomNetwork((8, 8, 4))
    a = net.conv(net.input, 4, (3, 3))
    b = net.conv(a, 4, (3, 3))
    c = net.conv(b, 4, (3, 3))
    end = net.mean(net.add(c, a))  # a, b, c, sum, mean
    assert streams(net, end) == {(0, 4), (1, 4), (1, 3), (0, 4)}


def test_two_maps_from_outside_are_none() -> None:
    net = RandomNetwork((8, 8, 4))
    a = net.conv(net.input, 4)
    b = net.conv(net.input, 4)
    end = net.mean(net.conv(net.add(a, b), 4))
    assert (1, 3) not in streams(net, end)
    assert (0, 3) in streams(net, end)


def test_a_reshape_cuts() -> None:
    net = RandomNetwork((8, 8, 4))
    x = net.reshape(net.conv(net.input, 4, (3, 3)), (1, 4, 16, 4))
    assert streams(net, net.mean(net.conv(x, 4, (3, 3)))) == set()


def test_nothing_is_streamed_where_it_lowers_nothing() -> None:
    net = RandomNetwork((16, 16, 32))
    x = net.conv(net.conv(net.input, 4, (3, 3), (2, 2)), 4, (3, 3))
    assert not any(isinstance(node, Stream) for node in scheduled(net, net.mean(x)).nodes)


def test_a_block_is_streamed_where_it_sets_the_peak() -> None:
    net = RandomNetwork((16, 16, 3))
    x = net.conv(net.input, 16, (3, 3))
    end = net.mean(net.conv(net.add(net.conv(net.conv(x, 16, (3, 3)), 16, (3, 3)), x), 8, (3, 3), (2, 2)))
    nodes, source, size, sink = lowered(net, end)
    assert scheduled(net, end).plan.bytes < 0.5 * schedule(nodes, source, size, sink, fuse=False).plan.bytes


def test_the_first_of_the_smallest_ways_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every way had been packed, though most are left out by their bounds."""
    net = RandomNetwork((16, 16, 3))
    x = net.conv(net.input, 16, (3, 3))
    lowest = net.conv(net.add(net.conv(net.conv(x, 16, (3, 3)), 16, (3, 3)), x), 8, (3, 3), (2, 2))
    nodes, source, size, sink = lowered(net, net.mean(lowest))
    ways = ways_of(nodes, source, size, sink)
    packed = [Packing(way, source, size, sink).plan() for way in ways]
    least = min(plan.bytes for plan in packed)
    best = next(way for way, plan in zip(ways, packed, strict=True) if plan.bytes == least)
    seen: list[int] = []
    whole = Packing.plan

    def plan(self: Packing, enough: float = 0) -> Plan:
        seen.append(self.bound)
        return whole(self, enough)

    monkeypatch.setattr(Packing, "plan", plan)
    found = schedule(nodes, source, size, sink)
    assert [(type(node), node.name) for node in found.nodes] == [(type(node), node.name) for node in best]
    assert found.plan == packed[ways.index(best)]
    assert len(seen) < len(ways)


def test_what_grows_waits_until_it_is_read() -> None:
    """The shortcut of a CIFAR ResNet: subsampled, its channels padded with zeros, long before the sum."""
    net = RandomNetwork((16, 16, 8))
    x = net.conv(net.input, 8, (3, 3))
    short = net.pad(net.pool(x, (1, 1), (2, 2)), [(0, 0), (0, 0), (0, 0), (4, 4)])
    y = net.conv(net.conv(x, 16, (3, 3), (2, 2)), 16, (3, 3))
    nodes, source, size, _ = lowered(net, net.mean(net.add(y, short)))
    assert [type(node).__name__ for node in nodes] == ["Conv", "Pool", "Pad", "Conv", "Conv", "Add", "Mean"]
    kinds = [type(node).__name__ for node in late(nodes, source, size)]
    assert kinds == ["Conv", "Pool", "Conv", "Conv", "Pad", "Add", "Mean"]


def test_no_stream_is_longer_than_the_kernel_allows() -> None:
    text = (SOURCES / "kernels.h").read_text(encoding="utf-8")
    found = re.search(r"#define STREAM_MAX_STAGES (\d+)", text)
    assert found is not None
    assert int(found[1]) >= LONGEST
