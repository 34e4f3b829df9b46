"""mean_s8: the mean of each channel over all positions, requantized.

1/n joins the factor scale_in / scale_out in integers: its multiplier is shifted left as far as fits and divided by n,
truncating (`mean_factor`; QuantizedMeanOrSum in tflite/kernels/internal/reference/reduce.h).
"""

from __future__ import annotations

import numpy as np

from kernels.reference.requantize import quantize_multiplier, requantize


def mean_factor(factor: float, n: int) -> tuple[int, int]:
    """(multiplier, shift) of factor / n, for n ≥ 1 positions."""
    multiplier, shift = quantize_multiplier(factor)
    left = min(n.bit_length() - 1, 32, 31 + shift)
    return (multiplier << left) // n, shift - left


def mean(
    x: np.ndarray,
    multiplier: int,
    shift: int,
    *,
    zero_in: int,
    zero_out: int,
    activation: tuple[int, int] = (-128, 127),
) -> np.ndarray:
    """(c,) int8 of x (n, c) int8."""
    total = x.astype(np.int64).sum(axis=0) - zero_in * x.shape[0]
    return requantize(total, multiplier, shift, zero_out, activation)
