"""Which calls to stream, and where every value lies: streaming changes no value and no count of products, so as little
is streamed as the smallest arena asks for."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.backend.targets.c.find_streams import find_streams
from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.plan_arena import Packing, Plan


@dataclass(frozen=True)
class Schedule:
    nodes: tuple[Node, ...]
    plan: Plan


def schedule(nodes: tuple[Node, ...], source: int, source_bytes: int, sink: int, *, fuse: bool = True) -> Schedule:
    """Calls and their places in the arena: of the ways to call them, the first of those that take least."""
    ways = ways_of(nodes, source, source_bytes, sink) if fuse else (nodes,)
    packings = [Packing(way, source, source_bytes, sink) for way in ways]
    best: tuple[int, int, Plan] | None = None
    for bound, index in sorted((packing.bound, index) for index, packing in enumerate(packings)):
        if best is None or (bound, index) < best[:2]:
            plan = packings[index].plan()
            if best is None or (plan.bytes, index) < best[:2]:
                best = plan.bytes, index, plan
    assert best is not None, "there is one way at least"
    return Schedule(ways[best[1]], best[2])


def fits(nodes: tuple[Node, ...], source: int, source_bytes: int, sink: int, limit: float) -> bool:
    """Whether the plan of `schedule` is within the limit: in most cases a bound tells, or the first packing."""
    packings = (Packing(way, source, source_bytes, sink) for way in ways_of(nodes, source, source_bytes, sink))
    return any(packing.bound <= limit and packing.plan(enough=limit).bytes <= limit for packing in packings)


def ways_of(nodes: tuple[Node, ...], source: int, source_bytes: int, sink: int) -> tuple[tuple[Node, ...], ...]:
    """The calls as they come, those that can wait later, and both with streams."""
    ways = [nodes]
    for order in dict.fromkeys((nodes, late(nodes, source, source_bytes))):
        ways += [order, *find_streams(order, source, source_bytes, sink)]
    return tuple(dict.fromkeys(ways))


def late(nodes: tuple[Node, ...], source: int, source_bytes: int) -> tuple[Node, ...]:
    """The calls with those that make more than they read (the padding of a shortcut's channels) right before the first
    that reads them: until then the smaller value waits."""
    sizes = {source: source_bytes} | {node.output: node.output_bytes for node in nodes}
    order = list(nodes)
    for node in reversed(nodes):
        if node.inputs and node.output_bytes > sum(sizes[value] for value in set(node.inputs)):
            begin = order.index(node)
            readers = [step for step, other in enumerate(order) if node.output in other.inputs]
            order.insert(min(readers, default=begin + 1) - 1, order.pop(begin))
    return tuple(order)
