"""average_pool_s8 and max_pool_s8. Scale and zero point of input and output are the same; positions outside the map
don't count. The average rounds half away from zero."""

from __future__ import annotations

import numpy as np

from kernels.reference.window import Window


def average_pool(x: np.ndarray, window: Window, activation: tuple[int, int] = (-128, 127)) -> np.ndarray:
    """(h_out, w_out, c) int8 of x (h, w, c) int8."""
    total = window.patches(x, outside=0).sum(axis=(2, 3))
    count = window.counts(x.shape[0], x.shape[1])[..., None]
    magnitude = (np.abs(total) + count // 2) // count
    return np.clip(np.sign(total) * magnitude, *activation).astype(np.int8)


def max_pool(x: np.ndarray, window: Window, activation: tuple[int, int] = (-128, 127)) -> np.ndarray:
    """(h_out, w_out, c) int8 of x (h, w, c) int8."""
    return np.clip(window.patches(x, outside=-128).max(axis=(2, 3)), *activation).astype(np.int8)
