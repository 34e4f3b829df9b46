"""Kernels whose weights have few levels: 15 of four bits down to 3 of two, and a code of their own on some targets.

    minimise ½ tr(Γ Δᵀ Σ Δ),  Δ = K − s·n     over n in −N … N and one scale s an output channel

    2N + 1 levels: the lowest value of two's complement is left out, as TFLite's symmetric int8 leaves out −128

Rounding to so few is where the inputs' covariance pays most (`round_to_grid`), and then the outputs' curvature
(`round_coupled`). The scale that the largest weight asks for is rarely the best: clipping a few weights makes the steps
finer for all others. So a few clipped grids are tried for each channel, by nearest rounding, and the best is descended
on. Source of the clipping: Banner, Nahshan & Soudry, "Post training 4-bit quantization of convolutional networks for
rapid-deployment", 2019.

Which grid is best depends on how it is stored. Four bits are four bits, so 15 levels, which some targets store so, take
the grid of least error. Fewer are coded, in as many bits as their steps hold information, and of coded weights a
bit more quarters the error (Gish & Pierce, "Asymptotically efficient quantizing", 1968): the best grid has the least
error · 4^bits, which clips less and has coarser steps. Of three levels it has not: so few bits are no high rate, and a
grid of little but zeros would do as well.

Scales of coded weights have six significant bits: s = k · 2^t, 2^5 ≤ k < 2^6. So a byte tells one (target c). They are
off by half a percent, 1.6 at most, which adds 2 % to what 11 levels lose and 0.3 % to what 3 do.

A chain K ≈ U G V is rounded in order, each factor the least squares optimum behind those that are rounded already:

    U' on the grid, in C       G ← (U'ᵀΣU')⁻¹ U'ᵀΣ (U G), on the grid, in U'ᵀΣU'       V ← (P'ᵀΣP')⁻¹ P'ᵀΣ K,  P' = U'G'

with Σ taken through U at each kernel position.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from compiler.decompose.equalise import equalise
from compiler.decompose.factors import Factors
from compiler.decompose.metric import Metric
from compiler.decompose.round_coupled import round_coupled
from compiler.decompose.round_to_grid import grid_of, nearest, round_to_grid
from compiler.decompose.row_covariance import RowCovariance
from compiler.decompose.significant_bits import significant_bits
from compiler.types import FEW_LEVELS, FOUR_BITS

RIDGE = 1e-6  # of the mean variance, where that is enough
CLIPPED = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.43, 0.36)  # of the largest weight
SCALE_BITS = 6  # the leading one, and COARSE_BITS of kernels/reference/channel_constants.py


def largest_step(levels: int) -> int:
    """N of a grid of so many levels."""
    return levels // 2


def few_bits(kernel: np.ndarray, metric: Metric, levels: int, *, coupled: bool = True) -> np.ndarray:
    """The HWIO `kernel` on its grid; every output channel reaches step N or is zero, which tells the grid again.
    `coupled`: rounded with Γ in view too, which takes longer."""
    gamma = metric.gamma if coupled else None
    return on_grid(kernel.reshape(-1, kernel.shape[-1]), metric.sigma, gamma, levels).reshape(kernel.shape)


def few_bit_chain(
    factors: Factors, kernel: np.ndarray, metric: Metric, levels: int, *, coupled: bool = True
) -> Factors:
    """A chain of "first", "core" and "last", each where it is there, on their grids: loud alike between them, as near
    to `kernel` as in order they come. `coupled`: the last with Γ in view, which takes longer."""
    assert not isinstance(metric.sigma, RowCovariance), "a chain is rounded with Σ whole"
    k_h, k_w, c_in, c_out = kernel.shape
    flat, chain = kernel.reshape(-1, c_out), list(equalise(factors, metric.sigma).chain)
    rounded: list[tuple[str, np.ndarray]] = []
    gram, mapped = metric.sigma, metric.sigma  # FᵀΣF and FᵀΣ of the features F that the next factor reads
    wanted: np.ndarray | None = None  # what the chain so far puts out, before rounding
    for index, (role, factor) in enumerate(chain):
        if role == "first":
            small = on_grid(factor[0, 0], channel_gram(metric.sigma, c_in), None, levels)
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
        small = on_grid(own.astype(factor.dtype), gram, metric.gamma if coupled and last else None, levels)
        rounded.append((role, small.reshape(factor.shape)))
        mapped = small.T @ mapped
        gram = small.T @ gram @ small
    return Factors(tuple(rounded))


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


def on_grid(kernel: np.ndarray, sigma: np.ndarray | RowCovariance, gamma: np.ndarray | None, levels: int) -> np.ndarray:
    """A kernel (d, c) on its grids, one a column, for inputs of covariance `sigma` and, where given, outputs of
    curvature `gamma`."""
    groups, largest = kernel[None], largest_step(levels)
    scale = best_scale(groups, sigma, largest, coded=min(FEW_LEVELS) < levels < FOUR_BITS)
    if isinstance(sigma, RowCovariance):  # no d×d matrix
        rounded = nearest(groups, scale, largest)[0]
    else:
        rounded = round_to_grid(groups, sigma[None], scale, largest=largest)[0]
        if gamma is not None:
            rounded = round_coupled(kernel, rounded, sigma, gamma, scale[0], largest)
    return short_scales(rounded, levels)


def short_scales(rounded: np.ndarray, levels: int) -> np.ndarray:
    """The same steps (d, c), each column of which reaches the largest of `levels`, at the nearest scales of SCALE_BITS
    where they will be coded."""
    if levels == FOUR_BITS:
        return rounded
    largest, size = largest_step(levels), np.abs(rounded).max(axis=0)
    short = significant_bits(size / largest, SCALE_BITS) * largest
    return (rounded * np.where(size > 0, short / np.maximum(size, 1e-30), 1)).astype(rounded.dtype)


def best_scale(
    groups: np.ndarray, sigma: np.ndarray | RowCovariance | None, largest: int, *, coded: bool = False
) -> np.ndarray:
    """s (1, 1, c) of a kernel (1, d, c): of the clipped grids, the one that nearest rounding loses least on, by the
    weights' own error where no `sigma` is given. `coded`: for the bits that it takes, too."""
    widest = grid_of(groups, largest=largest)
    errors = []
    for share in CLIPPED:
        rounded = nearest(groups, share * widest, largest)
        change = (rounded - groups)[0]
        error = np.sum(change * (change if sigma is None else sigma @ change), axis=0)
        errors.append(error * 4 ** bits_of(rounded / (share * widest), largest) if coded else error)
    return np.asarray(CLIPPED, groups.dtype)[np.argmin(errors, axis=0)] * widest


def bits_of(steps: np.ndarray, largest: int) -> np.ndarray:
    """(c,) bits a weight that each column of `steps` (1, d, c) takes in a code made for all of them."""
    symbols = np.rint(steps[0]).astype(int) + largest
    shares = np.bincount(symbols.ravel(), minlength=2 * largest + 1) / symbols.size
    return -np.log2(np.maximum(shares, 1 / symbols.size))[symbols].mean(axis=0)
