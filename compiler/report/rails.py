"""The graph as a list of rows with rails beside it, as version histories are drawn: one operation a row.

At each row the node stands on the rail of its first input; a tensor that is read again later moves to a rail of its
own and joins the row that reads it last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """`lane`: the node's rail. `joins`: rails above that the node reads. `passes`: (rail above, rail below) of tensors
    that go on. `below`: all rails under the row."""

    lane: int
    joins: tuple[int, ...]
    passes: tuple[tuple[int, int], ...]
    below: tuple[int, ...]


def rails(inputs: Sequence[Sequence[int]]) -> list[Row]:
    """`inputs[i]`: the rows that row i reads, each before i."""
    last = {source: row for row, sources in enumerate(inputs) for source in sources}
    above: list[int | None] = []  # the tensor on each rail, by the row that made it
    rows = []
    for row, sources in enumerate(inputs):
        joins = tuple(lane for lane, made in enumerate(above) if made in sources)
        lane = joins[0] if joins else free(above)
        below: list[int | None] = [made if made is not None and last.get(made, -1) > row else None for made in above]
        passes = [(i, i) for i, made in enumerate(below) if made is not None and i != lane]
        staying = below[lane] if lane < len(below) else None
        if staying is not None:
            below[lane] = None
            aside = free(below, but=lane)
            put(below, aside, staying)
            passes.append((lane, aside))
        if row in last:
            put(below, lane, row)
        while below and below[-1] is None:
            below.pop()
        rows.append(Row(lane, joins, tuple(passes), tuple(i for i, made in enumerate(below) if made is not None)))
        above = below
    return rows


def free(lanes: Sequence[int | None], but: int = -1) -> int:
    """The leftmost rail with nothing on it."""
    return next(i for i in range(len(lanes) + 2) if i != but and (i >= len(lanes) or lanes[i] is None))


def put(lanes: list[int | None], lane: int, made: int) -> None:
    lanes.extend([None] * (lane + 1 - len(lanes)))
    lanes[lane] = made
