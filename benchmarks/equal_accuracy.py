"""The size at which a network loses a given share of its answers, from files of several sizes.

Of a few hundred images five answers are a point, so one file more or less is lucky. The loss is known not to rise with
the size: of all curves that do not, the one nearest to what was measured (isotonic regression, pooling neighbours that
are out of order: Barlow et al., "Statistical Inference under Order Restrictions", 1972) is read off where it crosses
the bound, between two sizes in a straight line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression

COARSE = (0.7, 0.5, 0.36, 0.26, 0.18, 0.13)  # shares of the original, largest first
FINE = tuple(round(0.8 + 0.02 * step, 2) for step in range(21))  # of the share at which the coarse curve crosses
FAR = 4.0  # bounds: a file that loses as much ends the coarse curve


@dataclass(frozen=True, slots=True)
class Point:
    """A file: its size, in any unit, and its loss."""

    size: float
    loss: float


def crossing(points: Sequence[Point], bound: float) -> float | None:
    """The size at which the falling curve through `points` is at `bound`; the smallest where all of it lies below,
    None where none of it does."""
    order = sorted(points, key=lambda point: point.size)
    if not order:
        return None
    sizes = [point.size for point in order]
    curve = isotonic_regression([point.loss for point in order], increasing=False).x
    within = np.flatnonzero(curve <= bound)
    if not len(within):
        return None
    first = int(within[0])
    if first == 0:
        return sizes[0]
    above, below = curve[first - 1], curve[first]
    return float(sizes[first - 1] + (sizes[first] - sizes[first - 1]) * (above - bound) / (above - below))


def at_bound(measure: Callable[[float], Point | None], bound: float) -> tuple[float | None, list[Point]]:
    """(the share of the original at which `bound` is lost, the files that say so, sizes as shares). `measure(share)`:
    the file that is to keep so much, None where none is so small."""
    points: list[Point] = []
    for share in COARSE:
        point = measure(share)
        if point is None:
            break
        points.append(point)
        if point.loss > FAR * bound:
            break
    if crossing(points, bound) is None and (whole := measure(1.0)) is not None:
        points.append(whole)
    near = crossing(points, bound)
    if near is not None:
        points += [point for times in FINE if (point := measure(min(1.0, times * near))) is not None]
    return crossing(points, bound), points
