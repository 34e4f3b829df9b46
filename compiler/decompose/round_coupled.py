"""Rounding with the outputs in view: what one channel's rounding does to the logits, the others take back.

    minimise ½ tr(Γ Δᵀ Σ Δ),   Δ = N diag(s) − W        over steps N and scales s

`round_to_grid` takes each column of W alone, as if Γ were diagonal. Here groups J of columns take turns. While all
others stand still, the best that real values could do is

    Ŵ_J − Δ Γ_·J Γ_JJ⁻¹                                  Ŵ = N diag(s)

and J descends again, to a grid point near that. It moves by D if that changes the loss by less than nothing:

    tr(Dᵀ (ΣΔ) Γ_·J) + ½ tr(Γ_JJ Dᵀ Σ D)

and what its steps cost where they have a toll.

Then the steps stand still, and the best scales are those of a least squares problem with one unknown a channel,

    (Γ ∘ NᵀΣN) s = diag(NᵀΣWΓ)                          ∘ elementwise

and both go round again. Block coordinate descent in the metric of `metric.py`.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from compiler.decompose.round_to_grid import Toll, round_to_grid

ROUNDS = 2  # of turns and scales; a third lowers the loss by one percent
GROUPS = 8  # of columns: twice as many lowered the loss no further
SWEEPS = 2
RIDGE = 1e-6  # two channels may be alike


def round_coupled(
    kernel: np.ndarray, rounded: np.ndarray, sigma: np.ndarray, gamma: np.ndarray, scale: np.ndarray, largest: int
) -> np.ndarray:
    """A kernel nearer to `kernel` (d, c) than `rounded`, which lies on the grid of `scale` (1, c); each column still
    reaches ±`largest`."""
    for _ in range(ROUNDS):
        rounded = take_turns(kernel, rounded, sigma, gamma, scale, largest)
        rounded, scale = rescale(kernel, rounded, sigma, gamma, scale)
    return rounded


def take_turns(
    kernel: np.ndarray,
    rounded: np.ndarray,
    sigma: np.ndarray,
    gamma: np.ndarray,
    scale: np.ndarray,
    largest: int,
    toll: Toll | None = None,
) -> np.ndarray:
    """A better point on the same grid, or `rounded` itself. `toll`: in the loss of all."""
    result = rounded.copy()
    mapped = sigma @ (result - kernel)
    columns = np.arange(kernel.shape[1])
    for turn in range(min(GROUPS, len(columns))):
        own = columns % GROUPS == turn
        among = gamma[np.ix_(own, own)]
        pull = (result - kernel) @ gamma[:, own]
        wish = result[:, own] - scipy.linalg.solve(among, pull.T, assume_a="pos").T
        wish = np.where(kernel[:, own] != 0, wish, 0).astype(kernel.dtype)
        start = result[None, :, own]
        own_toll = None if toll is None else Toll(toll.bits, toll.price / np.diag(among))
        tried = round_to_grid(wish[None], sigma[None], scale[None, :, own], largest=largest, sweeps=SWEEPS,
                              start=start, pinned=toll is None, toll=own_toll)  # fmt: skip
        move = tried[0] - result[:, own]
        moved = sigma @ move
        gain = np.sum(move * (mapped @ gamma[:, own])) + 0.5 * np.sum(moved * (move @ among))
        if toll is not None:
            gain += charged(toll, tried[0] / scale[:, own], largest) - charged(toll, start[0] / scale[:, own], largest)
        if gain < 0:
            result[:, own] = tried[0]
            mapped[:, own] += moved
    return result


def charged(toll: Toll, steps: np.ndarray, largest: int) -> float:
    return float(toll.price * np.sum(toll.bits[np.rint(steps).astype(np.int64) + largest]))


def rescale(
    kernel: np.ndarray, rounded: np.ndarray, sigma: np.ndarray, gamma: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(The same steps at the scales that are best for them, those scales), or `rounded` and `scale` themselves where
    a scale would be negative."""
    steps = np.rint(rounded / scale)
    alive = np.any(steps, axis=0)
    if not np.any(alive):
        return rounded, scale
    mapped = steps[:, alive].T @ sigma
    gram = (gamma[np.ix_(alive, alive)] * (mapped @ steps[:, alive])).astype(np.float64)
    slope = np.sum((mapped @ kernel) * gamma[alive], axis=1) - gram @ scale[0, alive]
    size = np.sqrt(np.diag(gram))  # quiet channels beside loud ones: all are made alike
    factor = scipy.linalg.cho_factor(gram / np.outer(size, size) + RIDGE * np.eye(len(size)))
    best = scale.copy()
    best[0, alive] += scipy.linalg.cho_solve(factor, slope / size) / size
    return (rounded, scale) if np.any(best <= 0) else ((steps * best).astype(rounded.dtype), best)
