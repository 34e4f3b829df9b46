"""A kernel as TFLite's symmetric int8 holds it."""

from __future__ import annotations

import numpy as np

from compiler.decompose.round_to_grid import grid_of


def as_int8(kernel: np.ndarray, per_tensor: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(int8 kernel (h, w, c_in, c_out), its scales (1, 1, c_out), all the same where a tensor has one)."""
    scale = grid_of(kernel.reshape(1, -1, kernel.shape[3]), per_tensor=per_tensor)
    return np.rint(kernel / scale).astype(np.int8), scale
