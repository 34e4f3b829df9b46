"""What a convolution stores for each output channel beside its weights: a bias and a factor, in as few bytes as do.

    bias      2, 3 or 4 bytes, whichever holds all channels': int16, 24 bits with the low byte first, int32

    factor    s_in · s_w[o] / s_out = multiplier[o] · 2^(shift[o] − 31), as `quantize_multiplier` rounds it

              0 bytes   one multiplier and one shift for all channels
              2 bytes   where every s_w[o] is short, k · 2^t with an integer 2^12 ≤ k < 2^13. Of s_in / s_out = ρ 2^u,
                        1 ≤ ρ < 2, the layer keeps B = round(2^49 ρ), in two halves of 32 bits, and S = 13 + u + max t;
                        a channel the code (k − 2^12) + 2^12 d, d = max t − t ≤ 15. Then

                            carry = [k B ≥ 2^62]   multiplier = round(k B / 2^(31 + carry))   shift = S + carry − d

              1 byte    where every k is j · 2^7, 2^5 ≤ j < 2^6, and d ≤ 7: the code (j − 2^5) + 2^5 d
              5 bytes   multiplier, the low byte first, and shift

Fewer than five bytes are taken only where they give every channel's multiplier and shift exactly, which this file
checks: B lies within 2^-50 of the ratio, so that a channel misses with a probability of 2^-18, and then the layer takes
five. `compiler/backend/shorten_scales.py` makes scales short, `compiler/decompose/round_for_code.py` those of coded
weights so short that a byte tells them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

FRACTION_BITS, COARSE_BITS = 12, 5
MOST_STEPS, COARSE_STEPS = 15, 7  # d
FINER = FRACTION_BITS - COARSE_BITS
BASE_BITS = 49


@dataclass(frozen=True, eq=False)
class Factors:
    """As conv2d_params has them: `stored` (c_out,) uint8 or uint16, (c_out · 5,) uint8, or None for one factor; `high`:
    the multiplier where there is one factor, else the upper half of B."""

    bytes: int
    stored: np.ndarray | None
    high: int
    low: int
    shift: int


def pack_bias(bias: np.ndarray) -> tuple[np.ndarray, int]:
    """(the array, bytes a channel) of int32 biases."""
    reach = max(int(bias.max(initial=0)), -1 - int(bias.min(initial=0)))
    if reach < 2**15:
        return bias.astype(np.int16), 2
    if reach < 2**23:
        return np.ascontiguousarray(bias.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3]).ravel(), 3
    return bias.astype(np.int32), 4


def pack_factors(multiplier: np.ndarray, shift: np.ndarray, scales: np.ndarray, ratio: float) -> Factors:
    """Of `scales` s_w (c_out,) and s_in / s_out; `multiplier` and `shift` (c_out,) are what has to come out."""
    if len(set(zip(multiplier.tolist(), shift.tolist(), strict=True))) == 1:
        return Factors(0, None, int(multiplier[0]), 0, int(shift[0]))
    short = shorten(scales, ratio)
    if short is not None:
        found = unpack_factors(short)
        if np.array_equal(found[0], multiplier) and np.array_equal(found[1], shift):
            return short
    wide = np.empty((len(multiplier), 5), np.uint8)
    wide[:, :4] = multiplier.astype("<i4").view(np.uint8).reshape(-1, 4)
    wide[:, 4] = shift.astype(np.int8).view(np.uint8)
    return Factors(5, wide.ravel(), 0, 0, 0)


def shorten(scales: np.ndarray, ratio: float) -> Factors | None:
    """A byte or two a channel, unchecked; None where a scale isn't short or they lie too far apart."""
    mantissa, exponent = np.frexp(scales.astype(np.float64))
    k = mantissa * 2 ** (FRACTION_BITS + 1)
    steps = exponent.max() - exponent
    if not np.all(scales > 0) or np.any(k != np.rint(k)) or steps.max() > MOST_STEPS:
        return None
    rho, u = math.frexp(ratio)
    base = round(math.ldexp(rho, BASE_BITS + 1))
    shift = int(exponent.max()) + u - 1
    if not -128 <= shift <= 127:
        return None
    codes = k.astype(np.int64) - 2**FRACTION_BITS + (steps.astype(np.int64) << FRACTION_BITS)
    halves = base >> 32, base & (2**32 - 1)
    if np.any(codes % 2**FINER) or steps.max() > COARSE_STEPS:
        return Factors(2, codes.astype(np.uint16), *halves, shift)
    return Factors(1, (codes >> FINER).astype(np.uint8), *halves, shift)


def unpack_factors(short: Factors) -> tuple[np.ndarray, np.ndarray]:
    """(multiplier, shift), each (c_out,) int64, of a byte or two a channel."""
    assert short.stored is not None
    codes = short.stored.astype(np.uint64) << np.uint64(FINER if short.bytes == 1 else 0)
    base = np.uint64(short.high << 32 | short.low)
    product = base * ((codes & np.uint64(2**FRACTION_BITS - 1)) + np.uint64(2**FRACTION_BITS))
    carry = product >> np.uint64(62)
    multiplier = (product + (np.uint64(1) << (np.uint64(30) + carry))) >> (np.uint64(31) + carry)
    shift = short.shift + carry.astype(np.int64) - (codes >> np.uint64(FRACTION_BITS)).astype(np.int64)
    return multiplier.astype(np.int64), shift
