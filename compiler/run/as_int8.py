"""A kernel as TFLite's symmetric int8 holds it."""

from __future__ import annotations

import numpy as np


def as_int8(kernel: np.ndarray, per_tensor: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(int8 kernel (h, w, c_in, c_out), its scales: one an output channel, or one a tensor)."""
    size = np.max(np.abs(kernel), axis=None if per_tensor else (0, 1, 2), keepdims=True)
    scale = np.maximum(size, 1e-30) / 127
    return np.rint(kernel / scale).astype(np.int8), scale
