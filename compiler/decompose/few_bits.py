"""Kernels of fewer than eight bits a weight.

Four bits are stored as they are, on some targets:

    minimise ½ tr(Γ Δᵀ Σ Δ),  Δ = K − s·n     over n in −7 … 7 and one scale s an output channel

The lowest value of two's complement is left out, as TFLite's symmetric int8 leaves out −128. Rounding to so few, from
the best of a few scales (`best_scale`), is where the inputs' covariance pays most (`round_to_grid`), and then the
outputs' curvature (`round_coupled`).

Three bits and fewer are coded, so many on average: `round_for_code`.

A chain K ≈ U G V is rounded in order, each factor the least squares optimum behind those that are rounded already:

    U' on the grid, in C       G ← (U'ᵀΣU')⁻¹ U'ᵀΣ (U G), on the grid, in U'ᵀΣU'       V ← (P'ᵀΣP')⁻¹ P'ᵀΣ K,  P' = U'G'

with Σ taken through U at each kernel position. What is felt of U's and of G's outputs is what Γ feels through the
factors behind them:  Σ_p (GV)_p Γ (GV)_pᵀ over kernel positions p,  and  V Γ Vᵀ.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.linalg

from compiler.decompose.best_scale import LARGEST, best_scale
from compiler.decompose.equalise import equalise
from compiler.decompose.factors import Factors
from compiler.decompose.metric import Metric
from compiler.decompose.round_coupled import round_coupled
from compiler.decompose.round_for_code import round_for_code
from compiler.decompose.round_to_grid import nearest, round_to_grid
from compiler.decompose.row_covariance import RowCovariance
from compiler.types import FOUR_BITS

RIDGE = 1e-6  # of the mean variance, where that is enough


def few_bits(kernel: np.ndarray, metric: Metric, bits: float, *, coupled: bool = True) -> np.ndarray:
    """The HWIO `kernel` in so many bits a weight, each output channel in whole steps of its own.
    `coupled`: rounded with all of Γ in view, which takes longer."""
    flat = kernel.reshape(-1, kernel.shape[-1])
    return in_few_bits(flat, metric.sigma, metric.gamma, bits, coupled=coupled).reshape(kernel.shape)


def few_bit_chain(
    factors: Factors, kernel: np.ndarray, metric: Metric, bits: float, *, coupled: bool = True
) -> Factors:
    """A chain of "first", "core" and "last", each where it is there, in so many bits a weight: loud alike between them,
    as near to `kernel` as in order they come. `coupled`: the last with all of Γ in view, which takes longer."""
    assert not isinstance(metric.sigma, RowCovariance), "a chain is rounded with Σ whole"
    k_h, k_w, c_in, c_out = kernel.shape
    flat, chain = kernel.reshape(-1, c_out), list(equalise(factors, metric.sigma).chain)
    rounded: list[tuple[str, np.ndarray]] = []
    gram, mapped = metric.sigma, metric.sigma  # FᵀΣF and FᵀΣ of the features F that the next factor reads
    wanted: np.ndarray | None = None  # what the chain so far puts out, before rounding
    for index, (role, factor) in enumerate(chain):
        felt = felt_of([factor for _, factor in chain[index + 1 :]], metric.gamma)
        if role == "first":
            small = in_few_bits(factor[0, 0], channel_gram(metric.sigma, c_in), felt, bits, coupled=False)
            gram, mapped = through(small, metric.sigma, k_h * k_w)
            rounded.append((role, small[None, None]))
            wanted = np.matmul(factor[0, 0], chain[index + 1][1].reshape(k_h * k_w, factor.shape[-1], -1))
            continue
        own = factor.reshape(-1, factor.shape[-1])
        last = index == len(chain) - 1
        if last:
            own = solve(gram, mapped @ flat)
        elif wanted is not None:
            own = solve(gram, mapped @ wanted.reshape(len(flat), -1))
        small = in_few_bits(own.astype(factor.dtype), gram, felt, bits, coupled=coupled and last)
        rounded.append((role, small.reshape(factor.shape)))
        mapped = small.T @ mapped
        gram = small.T @ gram @ small
    return Factors(tuple(rounded))


def felt_of(behind: Sequence[np.ndarray], gamma: np.ndarray) -> np.ndarray:
    """The curvature (r, r) of what the factors (k_h, k_w, r, …) `behind` read, of their outputs' `gamma`."""
    for factor in reversed(behind):
        positions = factor.reshape(-1, *factor.shape[2:])
        gamma = np.sum(positions @ gamma @ positions.transpose(0, 2, 1), axis=0)
    return gamma


def through(first: np.ndarray, sigma: np.ndarray, positions: int) -> tuple[np.ndarray, np.ndarray]:
    """(FᵀΣF, FᵀΣ) of F = `first` (c_in, r) at each of the `positions` of a patch."""
    c_in, rank = first.shape
    mapped = np.matmul(first.T, sigma.reshape(positions, c_in, -1)).reshape(positions * rank, -1)
    gram = np.matmul(mapped.reshape(-1, positions, c_in), first).reshape(positions * rank, -1)
    return gram, mapped


def channel_gram(sigma: np.ndarray, c_in: int) -> np.ndarray:
    """Σ of one position of the patch: the mean over all."""
    positions = len(sigma) // c_in
    return np.einsum("pipj->ij", sigma.reshape(positions, c_in, positions, c_in)) / positions


def solve(gram: np.ndarray, right: np.ndarray) -> np.ndarray:
    """G⁻¹ R of a Gram matrix, damped as little as it takes: on a grid two features may be one and the same."""
    level = RIDGE * float(np.trace(gram)) / len(gram) or 1.0
    while True:
        try:
            factor = scipy.linalg.cho_factor(gram + level * np.eye(len(gram), dtype=gram.dtype), lower=True)
        except scipy.linalg.LinAlgError:
            level *= 10
            continue
        return scipy.linalg.cho_solve(factor, right)


def in_few_bits(
    kernel: np.ndarray, sigma: np.ndarray | RowCovariance, gamma: np.ndarray, bits: float, *, coupled: bool
) -> np.ndarray:
    """A kernel (d, c) in so many bits a weight, for inputs of covariance `sigma` and outputs of curvature `gamma`."""
    if bits < FOUR_BITS:
        return round_for_code(kernel, sigma, gamma, bits, coupled=coupled)
    groups = kernel[None]
    scale = best_scale(groups, sigma)
    if isinstance(sigma, RowCovariance):  # no d×d matrix
        return nearest(groups, scale, LARGEST)[0]
    rounded = round_to_grid(groups, sigma[None], scale, largest=LARGEST)[0]
    return round_coupled(kernel, rounded, sigma, gamma, scale[0], LARGEST) if coupled else rounded
