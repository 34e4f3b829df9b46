"""add_s8: both operands are brought to one scale with 20 bits to spare, added, and requantized.

With s = 2 · max(scale_a, scale_b), the factors are scale_a / s, scale_b / s (both ≤ ½) and s / (2^20 · scale_out).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.reference.requantize import multiply_by_quantized_multiplier, quantize_multiplier, requantize

LEFT_SHIFT = 20


@dataclass(frozen=True, slots=True)
class AddFactors:
    """(multiplier, shift) of each operand and of the sum; the shifts are ≤ 0."""

    a: tuple[int, int]
    b: tuple[int, int]
    out: tuple[int, int]


def add_factors(scale_a: float, scale_b: float, scale_out: float) -> AddFactors:
    """Factors of three float32 scales. Raises ValueError where the sum's factor is not below 1 (as TFLite does)."""
    # TFLite computes the common scale and the sum's divisor in float32, where both products are exact.
    common = 2.0 * max(scale_a, scale_b)
    out = common / (2.0**LEFT_SHIFT * scale_out)
    if out >= 1:
        raise ValueError(f"the output scale {scale_out} is too small for operands of scale {scale_a} and {scale_b}")
    return AddFactors(
        quantize_multiplier(scale_a / common), quantize_multiplier(scale_b / common), quantize_multiplier(out)
    )


def add(
    a: np.ndarray,
    b: np.ndarray,
    factors: AddFactors,
    *,
    zero_a: int,
    zero_b: int,
    zero_out: int,
    activation: tuple[int, int] = (-128, 127),
) -> np.ndarray:
    """a + b, int8; `b` broadcasts along the leading axes."""
    scaled_a = multiply_by_quantized_multiplier((a.astype(np.int64) - zero_a) << LEFT_SHIFT, *factors.a)
    scaled_b = multiply_by_quantized_multiplier((b.astype(np.int64) - zero_b) << LEFT_SHIFT, *factors.b)
    return requantize(scaled_a + scaled_b, *factors.out, zero_out, activation)
