"""Where a sliding window reads: the geometry that convolutions and poolings share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Window:
    """kernel (k_h, k_w); pad (top, left); out (h_out, w_out). Padding at the bottom and right follows from `out`."""

    kernel: tuple[int, int]
    out: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)

    def patches(self, x: np.ndarray, outside: int) -> np.ndarray:
        """(h_out, w_out, k_h, k_w, c) int64: what each output position sees of `x`; `outside` beyond the map."""
        rows = self._reads(0)
        columns = self._reads(1)
        inside = self._inside(rows, x.shape[0])[:, None, :, None] & self._inside(columns, x.shape[1])[None, :, None, :]
        rows = np.clip(rows, 0, x.shape[0] - 1)
        columns = np.clip(columns, 0, x.shape[1] - 1)
        seen = x.astype(np.int64)[rows[:, None, :, None], columns[None, :, None, :]]
        return np.where(inside[..., None], seen, outside)

    def counts(self, height: int, width: int) -> np.ndarray:
        """(h_out, w_out): how many positions of the window lie inside a map of that size."""
        rows = self._inside(self._reads(0), height).sum(axis=1)
        columns = self._inside(self._reads(1), width).sum(axis=1)
        return rows[:, None] * columns[None, :]

    def _reads(self, axis: int) -> np.ndarray:
        starts = np.arange(self.out[axis]) * self.strides[axis] - self.pad[axis]
        return starts[:, None] + np.arange(self.kernel[axis])[None, :] * self.dilation[axis]

    @staticmethod
    def _inside(reads: np.ndarray, size: int) -> np.ndarray:
        return (reads >= 0) & (reads < size)
