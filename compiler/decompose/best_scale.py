"""How wide the steps of four bits are.

The scale that the largest weight asks for is rarely the best: clipping a few weights makes the steps finer for all
others. So a few clipped grids are tried for each channel, by nearest rounding. Source of the clipping: Banner, Nahshan
& Soudry, "Post training 4-bit quantization of convolutional networks for rapid-deployment", 2019.
"""

from __future__ import annotations

import numpy as np

from compiler.decompose.round_to_grid import grid_of, nearest
from compiler.decompose.row_covariance import RowCovariance

LARGEST = 7  # steps of four bits; −8 is left out
CLIPPED = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.43, 0.36)  # of the largest weight


def best_scale(groups: np.ndarray, sigma: np.ndarray | RowCovariance) -> np.ndarray:
    """s (1, 1, c) of a kernel (1, d, c): of the clipped grids, the one that nearest rounding loses least on."""
    widest = grid_of(groups, largest=LARGEST)
    errors = []
    for share in CLIPPED:
        change = (nearest(groups, share * widest, LARGEST) - groups)[0]
        errors.append(np.sum(change * (sigma @ change), axis=0))
    return np.asarray(CLIPPED, groups.dtype)[np.argmin(errors, axis=0)] * widest
