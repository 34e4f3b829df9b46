"""A kernel on a grid of 15 steps, so that four bits hold a weight.

    minimise ½ tr(Γ Δᵀ Σ Δ),  Δ = K − s·n     over n in −7 … 7 and one scale s an output channel

Rounding to so few steps is where the inputs' covariance pays most (`round_to_grid`). The scale that the largest weight
asks for is rarely the best: clipping a few weights makes the steps finer for all others. So a few clipped grids are
tried for each channel, by nearest rounding, and the best is descended on. Source of the clipping: Banner, Nahshan &
Soudry, "Post training 4-bit quantization of convolutional networks for rapid-deployment", 2019.
"""

from __future__ import annotations

import numpy as np

from compiler.decompose.metric import Metric
from compiler.decompose.round_to_grid import grid_of, nearest, round_to_grid
from compiler.decompose.row_covariance import RowCovariance

LARGEST = 7  # steps; −8 is left out, as TFLite's symmetric int8 leaves out −128
CLIPPED = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)  # of the largest weight


def four_bits(kernel: np.ndarray, metric: Metric) -> np.ndarray:
    """The HWIO `kernel` on its grid; every output channel reaches step 7 or is zero, which tells the grid again."""
    groups = kernel.reshape(1, -1, kernel.shape[-1])
    scale = best_scale(groups, metric.sigma)
    if isinstance(metric.sigma, RowCovariance):  # no d×d matrix
        return nearest(groups, scale, LARGEST).reshape(kernel.shape)
    return round_to_grid(groups, metric.sigma[None], scale, largest=LARGEST).reshape(kernel.shape)


def best_scale(groups: np.ndarray, sigma: np.ndarray | RowCovariance) -> np.ndarray:
    """s (1, 1, c) of a kernel (1, d, c): of the clipped grids, the one that nearest rounding loses least on."""
    widest = grid_of(groups, largest=LARGEST)
    errors = []
    for share in CLIPPED:
        change = (nearest(groups, share * widest, LARGEST) - groups)[0]
        errors.append(np.sum(change * (sigma @ change), axis=0))
    return np.asarray(CLIPPED, groups.dtype)[np.argmin(errors, axis=0)] * widest
