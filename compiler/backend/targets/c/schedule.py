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
        ways += find_streams(nodes, source, source_bytes, sink)
    packed = {way: plan_arena(way, source, source_bytes, sink, tries) for way in dict.fromkeys(ways)}
    plans = [Schedule(way, plan) for way, plan in packed.items()]
    return min(plans, key=lambda s: s.plan.bytes)
