"""Linear least squares by conjugate gradients (Hestenes & Stiefel, 1952), for operators too large to be formed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

SETTLED = 1e-10  # of the first residual's energy


def least_squares(
    right_side: np.ndarray, normal: Callable[[np.ndarray], np.ndarray], start: np.ndarray, steps: int = 20
) -> np.ndarray:
    """x of `normal(x) = right_side`, a symmetric positive semidefinite map, from `start` in at most `steps` steps, none
    of which moves away from it."""
    scale = float(np.abs(right_side).max()) or 1.0  # squares of loud or faint layers would leave float32's range
    x = start.copy()
    residual = (right_side - normal(x)) / scale
    direction, energy = residual.copy(), float(np.sum(residual**2))
    first = energy
    for _ in range(steps):
        if energy <= SETTLED * first or energy == 0.0:
            break
        image = normal(direction) / scale
        curvature = float(np.sum(direction * image))
        if not curvature > 0.0:  # flat but for rounding
            break
        step = energy / curvature
        x += step * direction
        residual -= step * image
        energy, previous = float(np.sum(residual**2)), energy
        direction = residual + (energy / previous) * direction
    return x
