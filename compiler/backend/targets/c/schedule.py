"""Which chains to stream: as many as lower the arena, since streaming changes no value and no count of products."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.backend.targets.c.fuse_chains import fuse_chains
from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.operators.hybrid import Hybrid
from compiler.backend.targets.c.plan_arena import TRIES, Plan, plan_arena


@dataclass(frozen=True)
class Schedule:
    nodes: tuple[Node, ...]
    plan: Plan


def schedule(
    nodes: tuple[Node, ...], source: int, source_bytes: int, sink: int, *, fuse: bool = True, tries: int = TRIES
) -> Schedule:
    """Calls and their places in the arena. Beginning with every chain streamed, each is left as separate calls if the
    arena is smaller so (a short chain's scratch may be more than its maps, which can run into each other). `tries`: see
    plan_arena, for the last packing."""

    def scheduled(left_alone: frozenset[int], tries: int) -> Schedule:
        fused = fuse_chains(nodes, sink, left_alone)
        return Schedule(fused, plan_arena(fused, source, source_bytes, sink, tries))

    if not fuse:
        return Schedule(nodes, plan_arena(nodes, source, source_bytes, sink, tries))
    best, left_alone = scheduled(frozenset(), 0), frozenset[int]()
    for hybrid in [node for node in best.nodes if isinstance(node, Hybrid)]:
        candidate = scheduled(left_alone | {hybrid.output}, 0)
        if candidate.plan.bytes < best.plan.bytes:
            best, left_alone = candidate, left_alone | {hybrid.output}
    return scheduled(left_alone, tries) if tries else best
