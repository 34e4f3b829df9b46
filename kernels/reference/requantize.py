"""A real factor applied to an int32 accumulator in integers: multiplier, shift, and two roundings.

Given a real factor f > 0, write f = m · 2^s with m in [½, 1). Then q = round(m · 2^31) is an int32 in [2^30, 2^31)
and, for an accumulator a,

    f · a ≈ rdp(srdhm(a · 2^max(s, 0), q), max(−s, 0))

    srdhm(a, q) = ⌊(a·q + 2^30) / 2^31⌋        rounds half up
    rdp(x, e)   = x / 2^e                      rounds half away from zero

This is TFLite's `QuantizeMultiplier` and its double-rounding `MultiplyByQuantizedMultiplier`
(tflite/kernels/internal/{quantization_util,common}.cc; gemmlowp, https://github.com/google/gemmlowp, fixedpoint.h),
which is what LiteRT's reference kernels were seen to compute; a single rounding differs from them.
"""

from __future__ import annotations

import math

import numpy as np

INT32_MAX = 2**31 - 1


def quantize_multiplier(factor: float) -> tuple[int, int]:
    """(multiplier, shift) of a real factor ≥ 0: 0 or an int32 in [2^30, 2^31), and −31 to 30.

    Factors below about 2^-32 become 0, as in TFLite. Raises ValueError for a factor that is negative, not finite, or
    2^30 and above, whose shift would leave int32.
    """
    if not math.isfinite(factor) or factor < 0:
        raise ValueError(f"a factor between scales has to be finite and not negative, not {factor}")
    if factor == 0:
        return 0, 0
    mantissa, shift = math.frexp(factor)
    multiplier = round_half_away(mantissa * 2.0**31)
    if multiplier == 2**31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        raise ValueError(f"a factor between scales has to be below 2^30, not {factor}")
    return multiplier, shift


def round_half_away(x: float) -> int:
    """C's `round`."""
    return math.floor(abs(x) + 0.5) * (1 if x >= 0 else -1)


def saturating_rounding_doubling_high_mul(a: np.ndarray, b: np.ndarray | int) -> np.ndarray:
    """srdhm above, on int64 arrays of int32 values; saturates where both are −2^31."""
    product = np.asarray(a, np.int64) * np.asarray(b, np.int64)
    return np.minimum((product + 2**30) >> 31, INT32_MAX)


def rounding_divide_by_power_of_two(x: np.ndarray, exponent: np.ndarray | int) -> np.ndarray:
    """rdp above, on int64 arrays of int32 values; 0 ≤ exponent ≤ 31."""
    x, exponent = np.asarray(x, np.int64), np.asarray(exponent, np.int64)
    half = (np.int64(1) << exponent) >> 1
    return (x + half - ((x < 0) & (exponent > 0))) >> exponent


def multiply_by_quantized_multiplier(
    a: np.ndarray, multiplier: np.ndarray | int, shift: np.ndarray | int
) -> np.ndarray:
    """f · a, rounded; broadcasts. |a| · 2^max(shift, 0) has to stay below 2^31."""
    shift = np.asarray(shift, np.int64)
    scaled = np.asarray(a, np.int64) << np.maximum(shift, 0)
    return rounding_divide_by_power_of_two(
        saturating_rounding_doubling_high_mul(scaled, multiplier), np.maximum(-shift, 0)
    )


def requantize(
    a: np.ndarray, multiplier: np.ndarray | int, shift: np.ndarray | int, zero_out: int, activation: tuple[int, int]
) -> np.ndarray:
    """int8 of an int32 accumulator: scaled, shifted to the output's zero point, clamped to the activation's range."""
    scaled = multiply_by_quantized_multiplier(a, multiplier, shift) + zero_out
    return np.clip(scaled, *activation).astype(np.int8)
