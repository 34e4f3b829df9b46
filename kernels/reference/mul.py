"""mul_s8: the product of two maps, or of a map and a constant along its channels."""

from __future__ import annotations

import numpy as np

from kernels.reference.requantize import quantize_multiplier, requantize


def mul_factor(scale_a: float, scale_b: float, scale_out: float) -> tuple[int, int]:
    """(multiplier, shift) of scale_a · scale_b / scale_out, which TFLite computes in float32."""
    return quantize_multiplier(float(np.float32(scale_a) * np.float32(scale_b) / np.float32(scale_out)))


def mul(
    a: np.ndarray,
    b: np.ndarray,
    multiplier: int,
    shift: int,
    *,
    zero_a: int,
    zero_b: int,
    zero_out: int,
    activation: tuple[int, int] = (-128, 127),
) -> np.ndarray:
    """a · b, int8; `b` broadcasts along the leading axes."""
    acc = (a.astype(np.int64) - zero_a) * (b.astype(np.int64) - zero_b)
    return requantize(acc, multiplier, shift, zero_out, activation)
