"""conv2d_dense_s8 and conv2d_1x1_s8: a convolution with one factor for each output channel.

    acc[y, x, o] = bias[o] + Σ weights[o, i, j, c] · (input[…, c] − zero_in)        out = requantize(acc)

Positions outside the map count as real 0, that is as `zero_in`. The C kernels (but depthwise_s8) are handed a bias with
−zero_in · Σ weights[o] folded in (`fold_bias`), multiply by the raw int8 input, and let positions outside read
`zero_in`, which is the same sum.
"""

from __future__ import annotations

import numpy as np

from kernels.reference.requantize import requantize
from kernels.reference.window import Window


def conv2d(
    x: np.ndarray,
    weights: np.ndarray,
    bias: np.ndarray,
    multiplier: np.ndarray,
    shift: np.ndarray,
    window: Window,
    *,
    zero_in: int,
    zero_out: int,
    activation: tuple[int, int] = (-128, 127),
) -> np.ndarray:
    """(h_out, w_out, c_out) int8 of x (h, w, c_in) int8, weights (c_out, k_h, k_w, c_in) int8, and int32 vectors of
    length c_out (or 1: the same for each channel)."""
    patches = window.patches(x, outside=zero_in) - zero_in
    acc = np.einsum("yxijc,oijc->yxo", patches, weights.astype(np.int64)) + bias
    return requantize(acc, multiplier, shift, zero_out, activation)


def fold_bias(bias: np.ndarray, weights: np.ndarray, zero_in: int) -> np.ndarray:
    """(c_out,) int64: the bias as the C kernels take it, for weights with output channels first."""
    return bias.astype(np.int64) - zero_in * weights.reshape(len(weights), -1).astype(np.int64).sum(axis=1)
