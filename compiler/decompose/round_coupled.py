"""Rounding with the outputs in view: what one channel's rounding does to the logits, the others take back.

    minimise ½ tr(Γ Δᵀ Σ Δ),   Δ = Ŵ − W

`round_to_grid` takes each column of W alone, as if Γ were diagonal. Here groups J of columns take turns. While all
others, K, stand still, the best that real values could do is

    W_J − Δ_K Γ_KJ Γ_JJ⁻¹

and J descends again, to a grid point near that. A turn that would raise the loss is not taken. Block coordinate
descent in the metric of `metric.py`; with Γ = I the channels are apart, and this gains nothing.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from compiler.decompose.round_to_grid import round_to_grid

GROUPS = 8  # of columns: twice as many lowered the loss no further
SWEEPS = 2


def round_coupled(
    kernel: np.ndarray, rounded: np.ndarray, sigma: np.ndarray, gamma: np.ndarray, scale: np.ndarray, largest: int
) -> np.ndarray:
    """A better point than `rounded` on the grid of `scale` (1, c) for the `kernel` (d, c), or `rounded` itself."""
    lowest, result = loss(rounded - kernel, sigma, gamma), rounded
    columns = np.arange(kernel.shape[1])
    for turn in range(min(GROUPS, len(columns))):
        own = columns % GROUPS == turn
        change = (result - kernel)[:, ~own] @ gamma[np.ix_(~own, own)]
        wish = kernel[:, own] - scipy.linalg.solve(gamma[np.ix_(own, own)], change.T, assume_a="pos").T
        wish = np.where(kernel[:, own] != 0, wish, 0).astype(kernel.dtype)
        tried = result.copy()
        tried[:, own] = round_to_grid(
            wish[None], sigma[None], scale[None, :, own], largest=largest, sweeps=SWEEPS, start=result[None, :, own]
        )[0]
        now = loss(tried - kernel, sigma, gamma)
        if now < lowest:
            lowest, result = now, tried
    return result


def loss(delta: np.ndarray, sigma: np.ndarray, gamma: np.ndarray) -> float:
    """½ tr(Γ ΔᵀΣΔ)."""
    return 0.5 * float(np.sum((sigma @ delta) * (delta @ gamma)))
