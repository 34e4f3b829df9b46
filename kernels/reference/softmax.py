"""softmax_s8: exp and reciprocal in fixed point. The output has scale 1/256 and zero point −128.

Qa.b below is an int32 with a integer and b fractional bits (a + b = 31). For each row, with d = input − max(row):

    e(d) = exp(beta · scale_in · d)     Q0.31;  0 where beta · scale_in · d would leave Q5.26
    S    = Σ e(d)                       Q12.19, each term rounded
    out  = round(256 · e(d) / S) − 128  with 1/S from three Newton steps

exp is a quartic in [−¼, 0) and one constant factor for each higher bit of the argument; 1/(1 + x) starts from
48/17 − 32/17 · (1 + x)/2. Facts and constants: gemmlowp, fixedpoint/fixedpoint.h (`exp_on_negative_values`,
`one_over_one_plus_x_for_x_in_0_1`); use: tflite/kernels/internal/reference/softmax.h.
"""

from __future__ import annotations

import math

import numpy as np

from kernels.reference.requantize import (
    INT32_MAX,
    quantize_multiplier,
    rounding_divide_by_power_of_two,
    saturating_rounding_doubling_high_mul,
)

SCALED_DIFF_BITS = 5
ACCUMULATION_BITS = 12
ONE_EIGHTH_LOWER = 1895147668  # exp(−1/8), Q0.31
ONE_THIRD = 715827883  # 1/3, Q0.31
EXP_OF_MINUS_POWER = {  # exponent of two: exp(−2^exponent), Q0.31
    -2: 1672461947,
    -1: 1302514674,
    0: 790015084,
    1: 290630308,
    2: 39332535,
    3: 720401,
    4: 242,
}
FORTY_EIGHT_SEVENTEENTHS = 1515870810  # Q2.29
MINUS_THIRTY_TWO_SEVENTEENTHS = -1010580540  # Q2.29


def softmax_factor(scale_in: float, beta: float) -> tuple[int, int, int]:
    """(multiplier, left shift, least difference) of a row: differences from its maximum below the least give 0.

    The factor is beta · scale_in in Q5.26, at most 2^31 − 1. Raises ValueError where it is not above 1.
    """
    factor = min(beta * scale_in * 2.0 ** (31 - SCALED_DIFF_BITS), 2.0**31 - 1.0)
    if factor <= 1:
        raise ValueError(f"the scale {scale_in} of the logits is too small for softmax in fixed point")
    multiplier, shift = quantize_multiplier(factor * 2.0**-31)  # keeps the shift within the range of the helper
    shift += 31
    radius = math.floor((2**SCALED_DIFF_BITS - 1) * 2.0 ** (31 - SCALED_DIFF_BITS) / 2.0**shift)
    return multiplier, min(shift, 30), -radius  # at a shift of 31 the radius is 0, and no difference but 0 is scaled


def softmax(x: np.ndarray, multiplier: int, shift: int, least: int) -> np.ndarray:
    """(n, c) int8 of logits x (n, c) int8; each row sums to about 256 above −128."""
    diff = x.astype(np.int64) - x.max(axis=1, keepdims=True)
    counts = diff >= least
    scaled = saturating_rounding_doubling_high_mul(np.where(counts, diff, 0) << shift, multiplier)
    exponential = exp_on_negative_values(scaled)
    total = np.where(counts, rounding_divide_by_power_of_two(exponential, ACCUMULATION_BITS), 0).sum(axis=1)
    out = np.full(x.shape, -128, np.int64)
    for row, s in enumerate(total):
        reciprocal, bits_over_unit = _reciprocal(int(s))
        product = saturating_rounding_doubling_high_mul(exponential[row], reciprocal)
        exponent = bits_over_unit + 31 - 8
        # Beyond 31, where the sum exceeds 512, every quotient rounds to 0; TFLite's kernel stops there.
        out[row] = (rounding_divide_by_power_of_two(product, exponent) if exponent <= 31 else 0) - 128
    return np.where(counts, np.clip(out, -128, 127), -128).astype(np.int8)


def exp_on_negative_values(a: np.ndarray) -> np.ndarray:
    """exp(a) in Q0.31 of a ≤ 0 in Q5.26."""
    fraction = 31 - SCALED_DIFF_BITS
    quarter = 1 << (fraction - 2)
    below = (a & (quarter - 1)) - quarter  # in [−¼, 0), Q5.26
    remainder = below - a
    result = _exp_on_quarter(below << SCALED_DIFF_BITS)
    for exponent, factor in EXP_OF_MINUS_POWER.items():
        bit = 1 << (fraction + exponent)
        result = np.where(remainder & bit, saturating_rounding_doubling_high_mul(result, factor), result)
    return np.where(a == 0, INT32_MAX, result)


def _exp_on_quarter(a: np.ndarray) -> np.ndarray:
    """exp(a) in Q0.31 of a in [−¼, 0), Q0.31: Taylor's quartic around −1/8."""
    mul = saturating_rounding_doubling_high_mul
    x = a + (1 << 28)
    x2 = mul(x, x)
    x3 = mul(x2, x)
    x4_over_4 = rounding_divide_by_power_of_two(mul(x2, x2), 2)
    tail = rounding_divide_by_power_of_two(mul(x4_over_4 + x3, ONE_THIRD) + x2, 1)
    return np.minimum(ONE_EIGHTH_LOWER + mul(np.full_like(x, ONE_EIGHTH_LOWER), x + tail), INT32_MAX)


def _reciprocal(total: int) -> tuple[int, int]:
    """(1/(1 + x) in Q0.31, n) where total = (1 + x) · 2^n in Q12.19 and 0 ≤ x < 1."""
    mul = saturating_rounding_doubling_high_mul
    leading_zeros = 32 - total.bit_length()
    x = (total << leading_zeros) - 2**31  # Q0.31
    half = (x + INT32_MAX + 1) >> 1  # (1 + x) / 2, rounding half up
    y = FORTY_EIGHT_SEVENTEENTHS + int(mul(np.array(half), MINUS_THIRTY_TWO_SEVENTEENTHS))  # Q2.29
    for _ in range(3):
        error = (1 << 29) - int(mul(np.array(half), y))
        y += _times_four(int(mul(np.array(y), error)))
    return min(y << 1, INT32_MAX), ACCUMULATION_BITS - leading_zeros


def _times_four(x: int) -> int:
    """4 · x, saturating at int32."""
    return max(-(2**31), min(INT32_MAX, x << 2))
