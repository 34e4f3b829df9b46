"""Sparse convolutions in the kernel of fewer instructions wherever the arena has a gap for what that one lays out.

A gap is memory where nothing lies that is alive while a call runs; so the arena stays as large as it is, and the values
stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.operators.conv import Conv
from compiler.backend.targets.c.operators.stream import Stream
from compiler.backend.targets.c.plan_arena import Buffer, Plan, buffers_of
from compiler.backend.targets.c.schedule import Schedule

WIDE = 5  # positions of a row: of fewer, more than half of the eight that are computed together are none
MANY = 9  # output channels that share what is laid out: fewer lose up to six times the instructions


def use_gaps(scheduled: Schedule, source: int, source_bytes: int, sink: int) -> Schedule:
    """The same calls; those that lay something out have their place in the plan as ("gap", step)."""
    buffers = buffers_of(scheduled.nodes, source, source_bytes, sink)
    nodes, offsets = list(scheduled.nodes), dict(scheduled.plan.offsets)
    for step, node in enumerate(scheduled.nodes):
        at, room = max(gaps(scheduled.plan, buffers, step), key=lambda gap: gap[1])
        nodes[step] = turned(node, room)
        if nodes[step].gap_bytes:
            offsets["gap", step] = at
    return Schedule(tuple(nodes), Plan(offsets, scheduled.plan.bytes))


def gaps(plan: Plan, buffers: Sequence[Buffer], step: int) -> Iterator[tuple[int, int]]:
    """(offset, bytes) of what is free while a call runs; the last may have no byte."""
    alive = [(plan.offsets[b.key], b.bytes) for b in buffers if b.first <= step <= b.last]
    free = 0
    for offset, size in sorted(alive):
        if offset > free:
            yield free, offset - free
        free = max(free, offset + size)
    yield free, plan.bytes - free


def turned(node: Node, room: int) -> Node:
    """The call with as many of its sparse convolutions turned as `room` bytes allow each."""
    if isinstance(node, Stream):
        stages = (turned_conv(stage, room) if isinstance(stage, Conv) else stage for stage in node.stages)
        return replace(node, stages=tuple(stages))
    return turned_conv(node, room) if isinstance(node, Conv) else node


def turned_conv(conv: Conv, room: int) -> Conv:
    gains = conv.window.out[1] >= WIDE and conv.c_out >= MANY
    if conv.packed.kernel != "conv2d_sparse_bitmap_s8" or not gains or conv.planar_bytes > room:
        return conv
    return replace(conv, packed=replace(conv.packed, kernel="conv2d_sparse_planar_s8"))
