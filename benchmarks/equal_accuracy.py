"""The size at which a network loses a given share of its answers, from files of several sizes.

Plans of nearly the same size differ by half a point, so one file more or less is lucky, and a curve that follows them
from file to file crosses the bound wherever the first lucky one lies. Near the bound loss falls with size much like a
power law,

    loss(s) = bound · (s / S)^-c,

whose S, the size asked for, and c are fitted by least squares to all files of not too large a loss. How well S is
known, the bootstrap tells: the same fit to files drawn again and again from those that there are (Efron & Tibshirani,
"An Introduction to the Bootstrap", 1993).

Which files to make, a rougher curve decides: of all that don't rise, the nearest to what was measured (isotonic
regression: Barlow et al., "Statistical Inference under Order Restrictions", 1972).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression, least_squares

COARSE = (0.7, 0.5, 0.36, 0.26, 0.18, 0.13)  # shares of the original, largest first
FINE = tuple(round(0.8 + 0.02 * step, 2) for step in range(21))  # of the share at which the coarse curve crosses
FAR = 4.0  # bounds: a file that loses as much ends the coarse curve
NEAR = 5.0  # bounds: the law is fitted to files that lose less
FEWEST = 3  # sizes that a law of two parameters is fitted to
STEEPEST = 100.0
DRAWS, CONFIDENCE = 200, 0.95


@dataclass(frozen=True, slots=True)
class Point:
    """A file: its size, in any unit, and its loss."""

    size: float
    loss: float


@dataclass(frozen=True, slots=True)
class Size:
    """A size and its 95 % interval."""

    value: float
    low: float
    high: float


def size_at(points: Sequence[Point], bound: float) -> Size | None:
    """The size at which `bound` is lost; None where the files don't tell: none is within it, or too few are near."""
    if crossing(points, bound) is None:
        return None
    near = [point for point in points if point.loss < NEAR * bound]
    value = power_law(near, bound)
    if value is None:
        return None
    random = np.random.default_rng(0)
    draws = (power_law([near[i] for i in random.integers(0, len(near), len(near))], bound) for _ in range(DRAWS))
    found = [size for size in draws if size is not None]
    low, high = np.quantile(found or [value], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Size(value, float(min(low, value)), float(max(high, value)))


def power_law(points: Sequence[Point], bound: float) -> float | None:
    """S of the law that fits best, within the sizes of the files; None where these are too few."""
    sizes, losses = np.log([point.size for point in points]), np.array([point.loss for point in points])
    if len(set(sizes)) < FEWEST:
        return None
    low, high = float(sizes.min()), float(sizes.max())

    def misses(law: np.ndarray) -> np.ndarray:
        at, power = law
        return np.exp(-power * (sizes - at)) - losses / bound

    found = least_squares(misses, x0=((low + high) / 2, 1.0), bounds=([low, 0], [high, STEEPEST]))
    return float(np.exp(found.x[0]))


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


def files_near(measure: Callable[[float], Point | None], bound: float) -> list[Point]:
    """Files that say at which share of the original `bound` is lost, sizes as shares. `measure(share)`: the file that
    is to keep so much, None where none is so small."""
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
    return points
