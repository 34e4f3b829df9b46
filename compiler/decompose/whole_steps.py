"""The steps that a kernel of few bits is made of, told by its own weights.

Every column of such a kernel is s·n, n in −7 … 7. Its largest weight is N s for an N of 1 to 7, and the least N for
which all of the column are whole steps tells s: the others, where there are any, divide it.
"""

from __future__ import annotations

import numpy as np

from compiler.decompose.best_scale import LARGEST

TOLERANCE = 1e-3  # of a step


def whole_steps(kernel: np.ndarray) -> np.ndarray | None:
    """s (c,) of a kernel (d, c), 1 of a column of zeros; None where a column is no such one."""
    size = np.abs(kernel).max(axis=0)
    scale = np.where(size > 0, 0, 1).astype(np.float64)
    for largest in range(1, LARGEST + 1):
        step = np.where(size > 0, size, 1) / largest
        steps = kernel / step
        whole = np.abs(steps - np.rint(steps)).max(axis=0) < TOLERANCE
        scale = np.where((scale == 0) & whole, step, scale)
    return scale if np.all(scale > 0) else None
