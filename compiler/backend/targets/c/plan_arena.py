"""Where each value lives in one static arena, to the byte.

Two values that are ever alive together must not share a byte, but for one case: a call's output may run into an input
that nobody needs afterwards, up to the distance that the kernel allows (`overlap.py`). Placing is first fit: in some
order, each value goes to the lowest offset that all placed before it allow ("greedy by size", Pisarchyk and Lee 2020,
https://arxiv.org/abs/2001.03288, with that extra freedom). Several orders are tried, then random exchanges in the best
one, from a fixed seed, until the lower bound is met, or what is enough, or the tries are used up.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from compiler.backend.targets.c.node import Node

TRIES = 1600


@dataclass(frozen=True, slots=True)
class Buffer:
    """`bytes` alive from call `first` to call `last`, both included; −1 is before any call."""

    key: tuple[str, int]  # ("value", number) or ("scratch", step of the call)
    bytes: int
    first: int
    last: int


@dataclass(frozen=True)
class Plan:
    """Offsets by key of a buffer, or ("gap", step) of what a call lays out in a gap; and the size of the arena."""

    offsets: dict[tuple[str, int], int]
    bytes: int


class Packing:
    """What of `nodes`, called in this order, lives where: every value but the network's output `sink`, which lies with
    the caller, and each call's scratch. `source` is the network's input, which lies in the arena too. No plan takes
    less than `bound` bytes."""

    def __init__(self, nodes: Sequence[Node], source: int, source_bytes: int, sink: int) -> None:
        self.buffers = buffers_of(nodes, source, source_bytes, sink)
        self.forbidden = _forbidden(nodes, self.buffers)
        self.bound = _lower_bound(nodes, self.buffers, self.forbidden)

    def plan(self, enough: float = 0) -> Plan:
        """The smallest plan that is found; the first of at most `enough` bytes."""
        buffers, count = self.buffers, len(self.buffers)
        orders = [
            sorted(range(count), key=lambda i: (-buffers[i].bytes, i)),
            sorted(range(count), key=lambda i: (-buffers[i].bytes, -i)),
            list(range(count)),
            list(range(count))[::-1],
            sorted(range(count), key=lambda i: (buffers[i].first - buffers[i].last, -buffers[i].bytes)),
        ]
        placed = [(found, order) for order in orders if (found := _place(order, buffers, self.forbidden)) is not None]
        (size, offsets), order = min(placed, key=lambda p: p[0][0])
        rng = random.Random(0)
        for _ in range(TRIES if count > 2 else 0):
            if size <= max(self.bound, enough):
                break
            changed = list(order)
            i, j = rng.sample(range(count), 2)
            changed.insert(i, changed.pop(j))
            candidate = _place(changed, buffers, self.forbidden, most=size)
            if candidate is not None:
                (size, offsets), order = candidate, changed
        return Plan({buffer.key: offset for buffer, offset in zip(buffers, offsets, strict=True)}, size)


def buffers_of(nodes: Sequence[Node], source: int, source_bytes: int, sink: int) -> list[Buffer]:
    """What an arena holds, the earliest first."""
    first = {source: -1}
    last = {source: -1}
    sizes = {source: source_bytes}
    for step, node in enumerate(nodes):
        for value in node.inputs:
            last[value] = step
        first[node.output] = last[node.output] = step
        sizes[node.output] = node.output_bytes
    values = [Buffer(("value", v), sizes[v], first[v], last[v]) for v in first if v != sink]
    scratch = [
        Buffer(("scratch", step), node.scratch_bytes, step, step)
        for step, node in enumerate(nodes)
        if node.scratch_bytes
    ]
    return sorted(values + scratch, key=lambda b: (b.first, b.key))


def _forbidden(nodes: Sequence[Node], buffers: list[Buffer]) -> list[dict[int, tuple[int, int]]]:
    """Of each buffer i and each j that is alive together with it (low, high): as seen from j, i must not begin at an
    offset strictly between them."""
    place = {buffer.key: i for i, buffer in enumerate(buffers)}
    forbidden: list[dict[int, tuple[int, int]]] = [{} for _ in buffers]
    for i, a in enumerate(buffers):
        for j in range(i):
            b = buffers[j]
            if a.first <= b.last and b.first <= a.last:  # they are apart
                forbidden[i][j], forbidden[j][i] = (-a.bytes, b.bytes), (-b.bytes, a.bytes)
    for step, node in enumerate(nodes):
        output = place.get(("value", node.output))
        for value in node.inputs:
            source = place[("value", value)]
            distance = node.distance(value)
            if output is not None and distance is not None and buffers[source].last == step:
                # or the input begins at least `distance` behind the output
                before, behind = buffers[source].bytes, buffers[output].bytes
                forbidden[source][output] = (-before, min(behind, distance))
                forbidden[output][source] = (max(-behind, -distance), before)
    return forbidden


def _place(
    order: Sequence[int], buffers: list[Buffer], forbidden: list[dict[int, tuple[int, int]]], most: int | None = None
) -> tuple[int, list[int]] | None:
    """(bytes, offsets) of first fit in that order; None where it takes more than `most` bytes."""
    offsets: dict[int, int] = {}
    size = 0
    for i in order:
        taken = [(offsets[j] + low, offsets[j] + high) for j, (low, high) in forbidden[i].items() if j in offsets]
        taken.sort()
        chosen = 0
        for low, high in taken:
            if chosen <= low:
                break
            chosen = max(chosen, high)
        offsets[i] = chosen
        size = max(size, chosen + buffers[i].bytes)
        if most is not None and size > most:
            return None
    return size, [offsets[i] for i in range(len(buffers))]


def _lower_bound(nodes: Sequence[Node], buffers: list[Buffer], forbidden: list[dict[int, tuple[int, int]]]) -> int:
    """No placing is smaller: at each call, what is alive, less what the output can share with the inputs."""
    bound = max((b.bytes for b in buffers), default=0)
    for step, node in enumerate(nodes):
        alive = [i for i, b in enumerate(buffers) if b.first <= step <= b.last]
        total = sum(buffers[i].bytes for i in alive)
        output = next((i for i in alive if buffers[i].key == ("value", node.output)), None)
        if output is not None:
            for i, (low, _) in forbidden[output].items():
                if buffers[i].last == step:
                    total -= min(buffers[i].bytes, buffers[output].bytes - max(0, -low))
        bound = max(bound, total)
    return bound
