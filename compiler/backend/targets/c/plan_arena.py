"""Where each value lives in one static arena, to the byte.

Two values that are ever alive together must not share a byte, but for one case: a call's output may run into an input
that nobody needs afterwards, up to the distance that the kernel allows (`overlap.py`). Placing is first fit: in some
order, each value goes to the lowest offset that all placed before it allow ("greedy by size", Pisarchyk and Lee 2020,
https://arxiv.org/abs/2001.03288, with that extra freedom). Several orders are tried, then random exchanges in the best
one, from a fixed seed, until the lower bound is met or the tries are used up.
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

    key: tuple[str, int]  # ("value", number) or ("scratch", place of the call)
    bytes: int
    first: int
    last: int


@dataclass(frozen=True)
class Plan:
    """Offsets by key, and the size of the arena."""

    offsets: dict[tuple[str, int], int]
    bytes: int


def plan_arena(nodes: Sequence[Node], source: int, source_bytes: int, sink: int, tries: int = TRIES) -> Plan:
    """Offsets of every value but the network's output `sink`, which lies with the caller, and of each call's scratch.
    `source` is the network's input, which lies in the arena too. `tries` bounds the random exchanges."""
    buffers = _buffers(nodes, source, source_bytes, sink)
    meetings = _meetings(nodes, buffers)
    count = len(buffers)
    orders = [
        sorted(range(count), key=lambda i: (-buffers[i].bytes, i)),
        sorted(range(count), key=lambda i: (-buffers[i].bytes, -i)),
        list(range(count)),
        list(range(count))[::-1],
        sorted(range(count), key=lambda i: (buffers[i].first - buffers[i].last, -buffers[i].bytes)),
    ]
    bound = _lower_bound(nodes, buffers, meetings)
    placed = [(_place(order, buffers, meetings), order) for order in orders]
    (size, offsets), order = min(placed, key=lambda p: p[0][0])
    rng = random.Random(0)
    for _ in range(tries if count > 2 else 0):
        if size <= bound:
            break
        changed = list(order)
        i, j = rng.sample(range(count), 2)
        changed.insert(i, changed.pop(j))
        candidate = _place(changed, buffers, meetings)
        if candidate[0] <= size:
            (size, offsets), order = candidate, changed
    return Plan({buffer.key: offset for buffer, offset in zip(buffers, offsets, strict=True)}, size)


def _buffers(nodes: Sequence[Node], source: int, source_bytes: int, sink: int) -> list[Buffer]:
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


@dataclass(frozen=True, slots=True)
class _Meeting:
    """What two buffers that are alive together ask of each other: to be apart (least None), or that the input begins
    at least `least` bytes behind the output. is_input: whether this side of the pair is the input."""

    least: int | None
    is_input: bool = False


def _meetings(nodes: Sequence[Node], buffers: list[Buffer]) -> list[dict[int, _Meeting]]:
    place = {buffer.key: i for i, buffer in enumerate(buffers)}
    meetings: list[dict[int, _Meeting]] = [{} for _ in buffers]
    for i, a in enumerate(buffers):
        for j in range(i):
            b = buffers[j]
            if a.first <= b.last and b.first <= a.last:
                meetings[i][j] = meetings[j][i] = _Meeting(None)
    for step, node in enumerate(nodes):
        output = place.get(("value", node.output))
        for value in node.inputs:
            source = place[("value", value)]
            distance = node.distance(value)
            if output is not None and distance is not None and buffers[source].last == step:
                meetings[source][output] = _Meeting(distance, is_input=True)
                meetings[output][source] = _Meeting(distance)
    return meetings


def _place(order: Sequence[int], buffers: list[Buffer], meetings: list[dict[int, _Meeting]]) -> tuple[int, list[int]]:
    """(bytes, offsets) of first fit in that order."""
    offsets: dict[int, int] = {}
    size = 0
    for i in order:
        mine = buffers[i].bytes
        met = [(offsets[j], buffers[j].bytes, meeting) for j, meeting in meetings[i].items() if j in offsets]
        candidates = {0}
        for offset, theirs, meeting in met:
            candidates.add(offset + theirs)
            if meeting.least is not None:
                candidates.add(offset + meeting.least if meeting.is_input else offset - meeting.least)
        chosen = min(
            at
            for at in candidates
            if at >= 0 and all(_allowed(at, mine, offset, theirs, m) for offset, theirs, m in met)
        )
        offsets[i] = chosen
        size = max(size, chosen + mine)
    return size, [offsets[i] for i in range(len(buffers))]


def _allowed(at: int, mine: int, offset: int, theirs: int, meeting: _Meeting) -> bool:
    if at >= offset + theirs or offset >= at + mine:
        return True
    if meeting.least is None:
        return False
    return at - offset >= meeting.least if meeting.is_input else offset - at >= meeting.least


def _lower_bound(nodes: Sequence[Node], buffers: list[Buffer], meetings: list[dict[int, _Meeting]]) -> int:
    """No placing is smaller: at each call, what is alive, less what the output can share with the inputs."""
    bound = max((b.bytes for b in buffers), default=0)
    for step, node in enumerate(nodes):
        alive = [i for i, b in enumerate(buffers) if b.first <= step <= b.last]
        total = sum(buffers[i].bytes for i in alive)
        output = next((i for i in alive if buffers[i].key == ("value", node.output)), None)
        if output is not None:
            for i, meeting in meetings[output].items():
                if meeting.least is not None and buffers[i].last == step:
                    total -= min(buffers[i].bytes, max(0, buffers[output].bytes - max(0, meeting.least)))
        bound = max(bound, total)
    return bound
