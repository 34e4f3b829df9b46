"""Two signed values of four bits in a byte, the first in the low half: TFLite's INT4."""

from __future__ import annotations

import numpy as np


def pack_nibbles(values: np.ndarray) -> np.ndarray:
    """uint8 (⌈n / 2⌉,) of n values of −8 … 7, in order; above a last one alone there are zeros."""
    halves = values.astype(np.uint8).ravel() & 0x0F
    pairs = np.pad(halves, (0, len(halves) % 2)).reshape(-1, 2)
    return (pairs[:, 0] | pairs[:, 1] << 4).astype(np.uint8)


def unpack_nibbles(data: np.ndarray) -> np.ndarray:
    """int8 (2n,) of bytes (n,)."""
    halves = np.stack([data & 0x0F, data >> 4], axis=1).ravel().astype(np.int8)
    return np.where(halves > 7, halves - 16, halves).astype(np.int8)
