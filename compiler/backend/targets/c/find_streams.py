"""Which calls run together as streams, so that the arena is smallest.

A span of calls in the order of execution can be one stream if all are convolutions or sums (or, at its end, the average
over a map), they read one value from outside, nobody outside reads what they compute but for the last, and every map is
read in the shape that it is written in (a reshape only renames a value). That is what `first · core · last + sparse`
and its kin look like in a file, and also a bottleneck, a residual block, and a run of any of them.

The calls are cut into spans, of one call or streamed, so that the largest need of any is least; and among the ways
to do so, so that as few calls as possible are streamed. Both by dynamic programming over where the last span begins:

    peak(j) = min_i max(peak(i), need(i, j))              need: what is alive while the calls i … j − 1 run
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.operators.add import Add
from compiler.backend.targets.c.operators.conv import Conv
from compiler.backend.targets.c.operators.stream import Stage, ends, stream, streamable

LONGEST = 24  # calls in one stream, at most STREAM_MAX_STAGES of kernels.h

Map = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Span:
    """The calls `begin` … `end` − 1 as `node`, one of them or a stream, and the bytes alive while it runs."""

    begin: int
    end: int
    node: Node
    need: int

    @property
    def streamed(self) -> int:
        return self.end - self.begin if self.end - self.begin > 1 else 0


@dataclass(frozen=True)
class Values:
    """Of every value its bytes, the call that makes it (−1: none), and the last that reads it."""

    sizes: dict[int, int]
    made: dict[int, int]
    last: dict[int, int]


def find_streams(nodes: tuple[Node, ...], source: int, source_bytes: int, sink: int) -> list[tuple[Node, ...]]:
    """The calls with streams in the place of some: the least peak with the fewest calls streamed, and the least sum of
    all needs, which may pack better. `source` and `sink` are the network's ends."""
    values = values_of(nodes, source, source_bytes, sink)
    by_end: list[list[Span]] = [[] for _ in range(len(nodes) + 1)]
    for span in spans(nodes, values):
        by_end[span.end].append(span)
    peak = max(span.need for span in cheapest(by_end, lambda found: (max(s.need for s in found),)))
    within = [[span for span in ending if span.need <= peak] for ending in by_end]
    fewest = cheapest(within, lambda found: (sum(s.streamed for s in found), sum(s.need for s in found)))
    least = cheapest(within, lambda found: (sum(s.need for s in found),))
    return [tuple(span.node for span in found) for found in (fewest, least)]


def cheapest(by_end: Sequence[Sequence[Span]], price: Callable[[list[Span]], tuple[int, ...]]) -> list[Span]:
    """The spans, one behind the other, of the least price; a price must not fall when a span is added."""
    best: list[list[Span] | None] = [[]]
    for ending in by_end[1:]:
        ways = [[*before, span] for span in ending if (before := best[span.begin]) is not None]
        best.append(min(ways, key=price, default=None))
    found = best[-1]
    assert found is not None, "every call alone is a span"
    return found


def values_of(nodes: Sequence[Node], source: int, source_bytes: int, sink: int) -> Values:
    sizes, made, last = {source: source_bytes}, {source: -1}, {source: -1}
    for step, node in enumerate(nodes):
        sizes[node.output] = 0 if node.output == sink else node.output_bytes  # the sink lies with the caller
        made[node.output] = last[node.output] = step
        last.update(dict.fromkeys(node.inputs, step))
    last[sink] = len(nodes)
    return Values(sizes, made, last)


def spans(nodes: Sequence[Node], values: Values) -> Iterator[Span]:
    """Every call alone, and every stream."""
    for begin, first in enumerate(nodes):
        yield Span(begin, begin + 1, first, need(first, begin, begin + 1, values))
        if not isinstance(first, Conv):
            continue
        source = first.inputs[0]
        shapes = {source: first.shape_in}  # of what has been read from outside or computed inside
        for end in range(begin + 1, min(len(nodes), begin + LONGEST) + 1):
            node = nodes[end - 1]
            if not streamable(node) or not set(node.inputs) <= shapes.keys():
                break
            shape = map_of(node, [shapes[value] for value in node.inputs])  # type: ignore[arg-type]
            if shape is None:
                break
            shapes[node.output] = shape
            others = shapes.keys() - {source, node.output}
            if others and all(values.last[value] < end for value in others):
                made = stream(nodes[begin:end], source)  # type: ignore[arg-type]
                yield Span(begin, end, made, need(made, begin, end, values))
            if ends(node):
                break


def map_of(stage: Stage, read: Sequence[Map]) -> Map | None:
    """(h, w, c) of what a stage makes of maps of these shapes; None where it reads them in another."""
    if isinstance(stage, Add):
        return read[0] if len(set(read)) == 1 and math.prod(read[0]) == stage.size else None
    if read[0] != stage.shape_in:
        return None
    return (*stage.window.out, stage.c_out if isinstance(stage, Conv) else stage.shape_in[2])


def need(node: Node, begin: int, end: int, values: Values) -> int:
    """Bytes alive while `node` runs in the place of the calls `begin` … `end` − 1, its output run into one input: no
    packing needs fewer, as long as no call but a sum, whose maps are of one size, reads two."""
    alive = {v: size for v, size in values.sizes.items() if values.made[v] < begin <= values.last[v]}
    own = values.sizes[node.output]
    total = sum(alive.values()) + own + node.scratch_bytes
    shared = [
        min(alive[value], max(0, own - max(0, distance)))
        for value in dict.fromkeys(node.inputs)
        if values.last[value] < end and (distance := node.distance(value)) is not None
    ]
    return total - max(shared, default=0)
