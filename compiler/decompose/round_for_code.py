"""Kernels that will be coded: as near to the original as a given number of bits a weight allows.

    minimise ½ tr(Γ Δᵀ Σ Δ) + λ · bits(n),   Δ = n diag(s) − W       over steps n in −7 … 7 and scales s

bits(n) is what a code made for all steps of the kernel takes, −log₂ of each step's share. Such rounding is entropy
constrained quantization (Chou, Lookabaugh & Gray, "Entropy-constrained vector quantization", 1989), here by coordinate
descent with the inputs' covariance and the outputs' curvature in view. Three things follow from the theory of coded
steps:

* Steps of one size are best for whatever is coded (Gish & Pierce, "Asymptotically efficient quantizing", 1968), one
  size in the loss: a channel of twice the slope has steps half as wide,

      s_j = δ / √Γ_jj

  but no narrower than those of least error (`best_scale.py`), and no wider than the channel's largest weight. No step
  is left out because it is large: what is rare is coded in many bits, and few are.
* δ is the one at which the kernel, each weight on its nearest step, takes the bits that are asked for.
* A bit more quarters the error, so at the optimum  λ = −dD/dR = 2 ln 2 · D,  D the loss a weight, of Γ's diagonal,
  after a descent that asks for no bits, in the channels whose steps could be finer: the others' would not fall.

Scales have six significant bits: s = k · 2^t, 2^5 ≤ k < 2^6, which a byte tells (target c).
"""

from __future__ import annotations

import numpy as np

from compiler.decompose.best_scale import LARGEST, best_scale
from compiler.decompose.round_coupled import rescale, take_turns
from compiler.decompose.round_to_grid import Toll, nearest, round_to_grid
from compiler.decompose.row_covariance import RowCovariance
from compiler.decompose.significant_bits import significant_bits

SCALE_BITS = 6  # the leading one, and COARSE_BITS of kernels/reference/channel_constants.py
ROUNDS = 2  # of turns and scales
HALVINGS = 16  # of the interval that δ lies in
HELD = 1.02  # times the finest steps: those of six bits are as near


def round_for_code(
    kernel: np.ndarray, sigma: np.ndarray | RowCovariance, gamma: np.ndarray, bits: float, *, coupled: bool
) -> np.ndarray:
    """The kernel (d, c) whose columns are whole steps, in about `bits` a weight, for inputs of covariance `sigma` and
    outputs of curvature `gamma` (c, c). `coupled`: with all of Γ in view, not its diagonal alone, which takes longer.
    """
    rounded, scale = in_steps(kernel, sigma, gamma, bits, coupled=coupled)
    # Steps that share a divisor are stored as steps so much wider: those have to be short.
    wide = scale * np.maximum(np.gcd.reduce(np.rint(rounded / scale).astype(np.int64), axis=0), 1)
    return rounded * (significant_bits(wide, SCALE_BITS) / wide).astype(rounded.dtype)


def in_steps(
    kernel: np.ndarray, sigma: np.ndarray | RowCovariance, gamma: np.ndarray, bits: float, *, coupled: bool
) -> tuple[np.ndarray, np.ndarray]:
    """(n·s (d, c), s (1, c))."""
    weight = np.maximum(np.diag(gamma), 1e-12 * np.max(np.diag(gamma), initial=1e-30))
    finest = best_scale(kernel[None], sigma)[0, 0]
    scale = scale_for(kernel, finest, weight, bits)
    if isinstance(sigma, RowCovariance):  # no d×d matrix
        return nearest(kernel[None], scale, LARGEST)[0], scale[0]
    rounded = round_to_grid(kernel[None], sigma[None], scale, largest=LARGEST, pinned=False)
    change = (rounded - kernel)[0]
    lost = 0.5 * weight * np.sum(change * (sigma @ change), axis=0) / len(kernel)
    free = scale[0, 0] > HELD * finest
    price = 2 * np.log(2) * float(lost[free].mean() if np.any(free) else lost.min())
    toll = Toll(code_of(rounded / scale), price / weight)
    rounded = round_to_grid(kernel[None], sigma[None], scale, largest=LARGEST, start=rounded, pinned=False, toll=toll)[
        0
    ]
    scale = scale[0]
    for _ in range(ROUNDS if coupled else 0):
        toll = Toll(code_of(rounded / scale), price)
        rounded = take_turns(kernel, rounded, sigma, gamma, scale, LARGEST, toll)
        rounded, found = rescale(kernel, rounded, sigma, gamma, scale)
        scale = significant_bits(found, SCALE_BITS).astype(found.dtype)
        rounded = rounded * (scale / found)
    return rounded, scale


def scale_for(kernel: np.ndarray, finest: np.ndarray, weight: np.ndarray, bits: float) -> np.ndarray:
    """s (1, 1, c) at which the nearest steps take `bits` a weight, as near as its bounds allow. `finest` (c,)."""
    size = np.maximum(np.abs(kernel).max(axis=0), finest)

    def scale_at(delta: float) -> np.ndarray:
        wanted = np.clip(delta / np.sqrt(weight), finest, size)
        return significant_bits(wanted, SCALE_BITS).astype(kernel.dtype)[None, None]

    ends = np.log(np.array([finest, size]) * np.sqrt(weight))
    low, high = float(ends.min()), float(ends.max())
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        scale = scale_at(np.exp(middle))
        if entropy(nearest(kernel[None], scale, LARGEST) / scale) > bits:
            low = middle
        else:
            high = middle
    return scale_at(np.exp(high))


def entropy(steps: np.ndarray) -> float:
    """Bits a step, in a code made for all of them."""
    shares = shares_of(steps)
    shares = shares[shares > 0]
    return float(-np.sum(shares * np.log2(shares)))


def code_of(steps: np.ndarray) -> np.ndarray:
    """(2N + 1,) bits of each step in such a code; one that is not there as if there were a quarter of it."""
    return -np.log2(np.maximum(shares_of(steps), 0.25 / steps.size))


def shares_of(steps: np.ndarray) -> np.ndarray:
    symbols = np.rint(steps).astype(np.int64).ravel() + LARGEST
    return np.bincount(symbols, minlength=2 * LARGEST + 1) / symbols.size
