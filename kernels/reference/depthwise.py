"""depthwise_s8: one k_h × k_w kernel for each channel, or `m` of them: output channel o reads input channel o // m."""

from __future__ import annotations

import numpy as np

from kernels.reference.requantize import requantize
from kernels.reference.window import Window


def depthwise(
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
    """(h_out, w_out, c_out) int8 of x (h, w, c_in) int8 and weights (k_h, k_w, c_out) int8; c_out = m · c_in."""
    patches = window.patches(x, outside=zero_in) - zero_in
    patches = np.repeat(patches, weights.shape[2] // x.shape[2], axis=4)
    acc = np.einsum("yxijc,ijc->yxc", patches, weights.astype(np.int64)) + bias
    return requantize(acc, multiplier, shift, zero_out, activation)
