"""Examples to measure on, kept as small as they came: uint8 images stay uint8 until a batch of them is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Dataset:
    """`x` holds one array (n, …) for each input of the network, as read; `inputs` gives what the network is fed."""

    x: tuple[np.ndarray, ...]
    y: np.ndarray | None  # (n,) class ids, or what the user's own score function takes
    name: str
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __len__(self) -> int:
        return len(self.x[0])

    def inputs(self, indices: np.ndarray | slice = slice(None)) -> tuple[np.ndarray, ...]:
        """`(x / scale − mean) / std` in float32, of the examples chosen; `mean` and `std` run along the last axis."""
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        return tuple((x[indices].astype(np.float32) / np.float32(self.scale) - mean) / std for x in self.x)

    def batches(self, size: int) -> Iterator[tuple[np.ndarray, ...]]:
        """`inputs` in order, `size` examples at a time."""
        for start in range(0, len(self), size):
            yield self.inputs(slice(start, start + size))

    def take(self, indices: np.ndarray, name: str) -> Dataset:
        """The chosen examples under a name of their own."""
        labels = None if self.y is None else self.y[indices]
        return replace(self, x=tuple(x[indices] for x in self.x), y=labels, name=name)
