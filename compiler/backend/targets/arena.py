"""RAM of an inference: when each activation is alive, and how tightly the live ones pack.

A tensor is alive from the operator that writes it to the last that reads it; a graph's inputs are alive from the
start, its outputs to the end. Two tensors that are ever alive together must not overlap. TFLite's ArenaPlanner and
TFLite Micro's GreedyMemoryPlanner both place tensors largest first, each at the lowest gap that fits between those
it meets: "greedy by size", Pisarchyk and Lee 2020, https://arxiv.org/abs/2001.03288, section 4. Kernels that DENSIFY
expands are no part of it: XNNPACK keeps them with its packed kernels, and their tensors get no place in the arena.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from compiler.backend.targets.cost import round_up
from compiler.backend.targets.graph import Graph

ALIGNMENT = 16


@dataclass(frozen=True, slots=True)
class Live:
    """One tensor of the arena: `bytes` alive from step `first` to step `last`, both included."""

    bytes: int
    first: int
    last: int


def lifetimes(graph: Graph) -> dict[int, tuple[int, int]]:
    """(first, last) step of each activation, by index; step 0 is before any operator, operator i runs at i + 1."""
    end = len(graph.operators)
    kept = set(graph.outputs)
    first: dict[int, int] = dict.fromkeys(graph.inputs, 0)
    last: dict[int, int] = dict.fromkeys(graph.inputs, 0)
    expanded = {index for op in graph.operators if op.code == "DENSIFY" for index in op.outputs}
    for step, op in enumerate(graph.operators, start=1):
        for index in op.inputs:
            if not graph.tensors[index].constant and index not in expanded:
                last[index] = step
        for index in op.outputs:
            if index not in expanded:
                first.setdefault(index, step)
                last[index] = step
    last.update((index, end) for index in kept if index in first)
    return {index: (first[index], last[index]) for index in sorted(first, key=lambda i: (first[i], i))}


def live_tensors(graph: Graph) -> tuple[Live, ...]:
    """The activations in the order in which they are made."""
    return tuple(Live(graph.tensors[index].bytes, *steps) for index, steps in lifetimes(graph).items())


def expanded_bytes(graph: Graph) -> int:
    """Bytes of the kernels that DENSIFY expands, held in RAM for good."""
    return sum(graph.tensors[index].bytes for op in graph.operators if op.code == "DENSIFY" for index in op.outputs)


def alive_at_operators(graph: Graph) -> Iterator[list[int]]:
    """For each operator in turn, the activations that exist while it runs, its inputs and outputs among them."""
    steps = lifetimes(graph)
    for step in range(1, len(graph.operators) + 1):
        yield [index for index, (first, last) in steps.items() if first <= step <= last]


def overlapped(graph: Graph, in_place: Collection[str]) -> tuple[Live, ...]:
    """As `live_tensors`, after the operators named in `in_place` have put their output where an input was.

    An output that is larger than its input starts before it. Only an input that nothing else reads is given up.
    """
    steps = lifetimes(graph)
    readers = Counter(i for op in graph.operators for i in op.inputs) + Counter(graph.outputs)
    merged = {index: Live(graph.tensors[index].bytes, *steps[index]) for index in steps}
    place = {index: index for index in steps}
    for op in graph.operators:
        free = [i for i in op.inputs if i in place and readers[i] == 1] if op.code in in_place else []
        if not free:
            continue
        source, result = place[free[0]], op.outputs[0]
        one, other = merged[source], merged.pop(result)
        grown = max(0, other.bytes - graph.tensors[free[0]].bytes)
        size = max(one.bytes + grown, other.bytes)
        merged[source] = Live(size, min(one.first, other.first), max(one.last, other.last))
        place[result] = source
    return tuple(merged.values())


def peak_bytes(tensors: Sequence[Live], alignment: int = ALIGNMENT) -> int:
    """Lower bound of any packing: the most bytes alive at one step, each tensor rounded up to the alignment."""
    steps = {t.first for t in tensors}
    sizes = [round_up(t.bytes, alignment) for t in tensors]
    alive = (sum(size for size, t in zip(sizes, tensors, strict=True) if t.first <= s <= t.last) for s in steps)
    return max(alive, default=0)


def packed_bytes(tensors: Sequence[Live], alignment: int = ALIGNMENT) -> int:
    """Bytes of the arena that greedy-by-size packs the tensors into; of equal sizes the later first, as in TFLM."""
    placed: list[tuple[int, int, Live]] = []  # (start, end, tensor), in order of start
    order = sorted(range(len(tensors)), key=lambda i: (tensors[i].bytes, i), reverse=True)
    for tensor in (tensors[i] for i in order):
        size, offset = round_up(tensor.bytes, alignment), 0
        for start, end, other in placed:
            if other.first > tensor.last or other.last < tensor.first:
                continue
            if start >= offset + size:
                break
            offset = max(offset, end)
        bisect.insort(placed, (offset, offset + size, tensor), key=lambda p: p[0])
    return max((end for _, end, _ in placed), default=0)
