"""pad_s8: a map inside a larger one that is filled with one value."""

from __future__ import annotations

import numpy as np


def pad(x: np.ndarray, paddings: tuple[tuple[int, int], tuple[int, int], tuple[int, int]], value: int) -> np.ndarray:
    """x (h, w, c) int8 with (before, after) positions or channels of `value` along each axis."""
    return np.pad(x, paddings, constant_values=value)
