"""Which way to round each weight, so that the layer's output changes least.

    minimise ½ tr((Ŵ − W)ᵀ Σ (Ŵ − W))   over Ŵ = s · n,  n in −N … N             (a column at a time: s is per column)

N is 127 for int8, 7 for kernels of few bits.

Nearest rounding minimises the weights' own error; what the layer puts out feels it through Σ. From nearest rounding,
one weight after the other moves to the grid point that is best while the rest stand still, until none moves:

    n_i ← round((ŵ_i − g_i / Σ_ii) / s),     g = Σ (Ŵ − W)

No move raises the loss. Coordinate descent on the layer-wise quantization problem: Behdin et al., "QuantEase:
optimization-based quantization for language models", 2023. Blocks of weights keep their own part of g up to date and
settle the others' by one product, so a sweep costs about one product with Σ.

Where steps will be coded (`round_for_code.py`), each has a toll beside what it loses, and of the step that it has, its
two neighbours and 0 a weight takes the one that costs least in all. No move raises loss and toll.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LARGEST = 127  # N: TFLite's symmetric int8 leaves −128 out
SWEEPS = 3
BLOCK = 64  # weights of a column between two products with Σ


@dataclass(frozen=True, eq=False, slots=True)
class Toll:
    """What steps cost beside their error. bits: (2N + 1,) of each of −N … N; price: of a bit, in ½ ΔᵀΣΔ of each
    column (c,), or in the loss of all."""

    bits: np.ndarray
    price: np.ndarray | float


def grid_of(kernel: np.ndarray, *, per_tensor: bool = False, largest: int = LARGEST) -> np.ndarray:
    """s (g, 1, c) of kernels (g, d, c) as the converter chooses it: the largest weight of a column, or of all, is
    ±`largest`."""
    size = np.max(np.abs(kernel), axis=None if per_tensor else 1, keepdims=True)
    return np.broadcast_to(np.maximum(size, 1e-30) / largest, (len(kernel), 1, kernel.shape[2]))


def nearest(kernel: np.ndarray, scale: np.ndarray, largest: int = LARGEST) -> np.ndarray:
    """`kernel` (g, d, c) on the grid s·n of `scale` (g, 1, c), every weight to its nearest point."""
    return np.clip(np.rint(kernel / scale), -largest, largest) * scale


def round_to_grid(
    kernel: np.ndarray,
    sigma: np.ndarray,
    scale: np.ndarray,
    *,
    largest: int = LARGEST,
    sweeps: int = SWEEPS,
    start: np.ndarray | None = None,
    pinned: bool = True,
    toll: Toll | None = None,
) -> np.ndarray:
    """`kernel` (g, d, c) on the grid of `scale` (g, 1, c), for inputs of second moments `sigma` (g, d, d).

    g are independent groups: 1 for a convolution, its channels for a depthwise one. Weights that are zero stay zero,
    and where they are `pinned`, of those at ±`largest` one a column, or the converter would choose another grid.
    `start`: points of the grid to descend from (default: the nearest to `kernel`).
    """
    rounded = nearest(kernel, scale, largest) if start is None else start.copy()
    free = kernel != 0
    if pinned:
        outermost = np.abs(rounded) > (largest - 0.5) * scale
        first = np.argmax(np.where(outermost, np.abs(kernel), -1.0), axis=1)[:, None]
        free &= ~(outermost & (np.arange(kernel.shape[1])[:, None] == first))
    curvature = np.maximum(np.einsum("gii->gi", sigma), 1e-30)[:, :, None]
    pull = sigma @ (rounded - kernel)
    for _ in range(sweeps):
        moved = False
        for begin in range(0, kernel.shape[1], BLOCK):
            rows = slice(begin, begin + BLOCK)
            change = descend_block(rounded[:, rows], pull[:, rows], sigma[:, rows, rows], curvature[:, rows],
                                   scale, free[:, rows], largest, toll)  # fmt: skip
            if np.any(change):
                moved = True
                rounded[:, rows] += change
                pull += sigma[:, :, rows] @ change
        if not moved:
            break
    return nearest(rounded, scale, largest)  # what many small steps added up to, off the grid by a rounding error


def descend_block(
    rounded: np.ndarray,
    pull: np.ndarray,
    sigma: np.ndarray,
    curvature: np.ndarray,
    scale: np.ndarray,
    free: np.ndarray,
    largest: int,
    toll: Toll | None,
) -> np.ndarray:
    """The changes of one block of weights (g, b, c), each weight in turn; `sigma` (g, b, b) among themselves."""
    pull, change = pull.copy(), np.zeros_like(rounded)
    for i in range(rounded.shape[1]):
        wanted = rounded[:, i] - pull[:, i] / curvature[:, i]
        if toll is None:
            best = nearest(wanted, scale[:, 0], largest)
        else:
            best = cheapest(wanted, rounded[:, i], scale[:, 0], largest, curvature[:, i], toll)
        change[:, i] = np.where(free[:, i], best - rounded[:, i], 0.0)
        change[:, i] = np.where(np.abs(change[:, i]) > 0.5 * scale[:, 0], change[:, i], 0.0)
        pull += sigma[:, :, i, None] * change[:, None, i]
    return change


def cheapest(
    wanted: np.ndarray, now: np.ndarray, scale: np.ndarray, largest: int, curvature: np.ndarray, toll: Toll
) -> np.ndarray:
    """Of the grid points beside `wanted` (g, c), 0 and `now`, the one of least ½ curvature · error² and toll."""
    steps = wanted / scale
    below = np.clip(np.floor(steps), -largest, largest - 1)
    worth = np.maximum(0.5 * curvature * scale**2, 1e-30)  # of one step of error
    price, symbols = toll.price / worth, below.astype(np.int64) + largest
    best, cost = below, (steps - below) ** 2 + price * toll.bits[symbols]
    for point in (below + 1, np.zeros_like(below), np.rint(now / scale)):
        other = (steps - point) ** 2 + price * toll.bits[point.astype(np.int64) + largest]
        best, cost = np.where(other < cost, point, best), np.minimum(other, cost)
    return best * scale
