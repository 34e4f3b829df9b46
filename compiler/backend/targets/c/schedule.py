"""Which calls to stream, and where every value lies: streaming changes no value and no count of products, so as little
is streamed as the smallest arena asks for."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.backend.targets.c.find_streams import find_streams
from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.plan_arena import TRIES, Plan, plan_arena


@dataclass(frozen=True)
class Schedule:
    nodes: tuple[Node, ...]
    plan: Plan


def schedule(
    nodes: tuple[Node, ...], source: int, source_bytes: int, sink: int, *, fuse: bool = True, tries: int = TRIES
) -> Schedule:
    """Calls and their places in the arena. `tries`: see plan_arena."""
    ways = [nodes]
    if fuse:
        for order in dict.fromkeys((nodes, late(nodes, source, source_bytes))):
            ways += [order, *find_streams(order, source, source_bytes, sink)]
    packed = {way: plan_arena(way, source, source_bytes, sink, tries) for way in dict.fromkeys(ways)}
    plans = [Schedule(way, plan) for way, plan in packed.items()]
    return min(plans, key=lambda s: s.plan.bytes)


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
