"""stream_rows_s8: operators run together, a row at a time, in rings in the place of whole maps.

A stage computes its next row as soon as, and no sooner than, another waits for it, beginning with the last. Streaming
changes no value (`streamed`), only what has to be in memory at once (`Walk`):

    ring rows of a stage   the most rows that are done and still to be read: by any reader's next row or a later one
    keep(y)                the first row of the input that is still to be read when row y of the output is being written
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Rows:
    """What a stage's rows need of the rows it reads: row y those from y · stride − pad on, `span` of them, as far as
    there are any. A sum: 1, 0, 1. `sources`: 0 the stream's input, i + 1 stage i."""

    height: int
    sources: tuple[int, ...]
    stride: int = 1
    pad: int = 0
    span: int = 1

    def first(self, y: int) -> int:
        """The first row that row y or a later one reads."""
        return max(0, y * self.stride - self.pad)

    def needed(self, y: int, height: int) -> int:
        """How many rows of a source of `height` rows row y waits for."""
        return min(y * self.stride - self.pad + self.span, height)


@dataclass(frozen=True, slots=True)
class Walk:
    """`rings`: rows that each stage holds, 0 of the last. `keeps`: keep(y) for every row of the output."""

    rings: tuple[int, ...]
    keeps: tuple[int, ...]


@functools.lru_cache(maxsize=4096)
def walk(stages: tuple[Rows, ...], height: int) -> Walk:
    """The order of rows, gone through. `height` of the input; each stage reads what stands before it, and all but the
    last are read."""
    done = [0] * len(stages)
    rings = [0] * len(stages)
    keeps: list[int] = []
    readers: list[list[int]] = [[] for _ in range(len(stages) + 1)]
    for index, stage in enumerate(stages):
        for source in dict.fromkeys(stage.sources):
            readers[source].append(index)

    def oldest(source: int, rows: int) -> int:
        """The first row of a source that is still to be read; `rows`, its height, where none is."""
        waiting = [stages[r].first(done[r]) for r in readers[source] if done[r] < stages[r].height]
        return min([rows, *waiting])

    def compute(index: int, rows: int) -> None:
        """The stage's next rows, until `rows` are done; before each those that it waits for."""
        stage = stages[index]
        while done[index] < rows:
            y = done[index]
            for source in stage.sources:
                if source:
                    compute(source - 1, stage.needed(y, stages[source - 1].height))
            if index == len(stages) - 1:
                keeps.append(oldest(0, height))
                done[index] += 1
                continue
            done[index] += 1
            rings[index] = max(rings[index], y + 1 - min(oldest(index + 1, y), y))

    compute(len(stages) - 1, stages[-1].height)
    return Walk(tuple(rings), tuple(keeps))


def streamed(x: np.ndarray, stages: Sequence[tuple[Callable[..., np.ndarray], tuple[int, ...]]]) -> np.ndarray:
    """(h, w, c) int8 of x, by whole maps: each stage is a function of the maps that it names."""
    maps = [x]
    for compute, sources in stages:
        maps.append(compute(*(maps[source] for source in sources)))
    return maps[-1]
