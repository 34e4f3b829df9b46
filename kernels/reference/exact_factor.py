"""An integer factor that rounds exactly as float64 does, proved on every accumulator that can occur.

LiteRT's reference FULLY_CONNECTED computes r(acc) = round(acc · scale) in float64, half away from zero, then clamps.
Given |acc| ≤ bound, we look for integers m and s with

    clamp(⌊(acc · m + 2^(s−1)) / 2^s⌋) = clamp(r(acc))        for all of them.

Neither side falls as acc rises, and the clamp leaves the float side at most 256 levels, so it is enough that both agree
at the first and the last accumulator of each level. Each of these bounds m from below and from above, exactly, in
integers: the factor exists iff the bounds leave a number between them. It is the scale but for the last bits, which
have to make up for the rounding of the float product and of ties.
"""

from __future__ import annotations

import math

import numpy as np


def exact_factor(scale: float, bound: int, low: int, high: int) -> tuple[int, int] | None:
    """(m, s) with 1 ≤ s ≤ 62 and bound · m < 2^62, for results clamped to [low, high]; None if there are none."""
    mantissa, exponent = math.frexp(scale)
    bits = 62 - max(bound, 1).bit_length()
    shift = min(62, bits - exponent)
    if shift < 1:
        return None
    half = 1 << (shift - 1)
    least, most = 0, (2**62 - 1) // max(bound, 1)
    ends = _ends_of_levels(scale, bound, low, high)
    results = np.clip(round_half_away(ends * scale), low, high)
    for acc, result in zip(ends.tolist(), map(int, results), strict=True):
        # result · 2^s ≤ acc · m + half < (result + 1) · 2^s, but where the clamp makes up for it
        above, below = (result << shift) - half, ((result + 1) << shift) - half - 1
        if result == low:
            above = -(2**100)
        if result == high:
            below = 2**100
        if acc > 0:
            least, most = max(least, -(-above // acc)), min(most, below // acc)
        elif acc < 0:
            least, most = max(least, -(below // -acc)), min(most, -above // -acc)
    m = min(max(math.ceil(math.ldexp(mantissa, exponent + shift)), least), most)
    return (m, shift) if least <= most else None


def apply_factor(acc: np.ndarray, m: int | np.ndarray, shift: int | np.ndarray) -> np.ndarray:
    """⌊acc · m / 2^shift + ½⌋, on int64."""
    return (acc * m + (np.int64(1) << (shift - np.int64(1)))) >> shift


def round_half_away(x: np.ndarray) -> np.ndarray:
    """C's `round`, on float64."""
    whole = np.trunc(x)
    return whole + (x - whole >= 0.5) - (x - whole <= -0.5)


def _ends_of_levels(scale: float, bound: int, low: int, high: int) -> np.ndarray:
    """The first and last accumulator of each run in [−bound, bound] on which the float result stays the same."""
    values = np.arange(low + 1, high + 1)
    guess = np.clip(np.ceil((values - 0.5) / scale), -bound, bound).astype(np.int64)
    near = guess[:, None] + np.arange(-2, 3)  # the division may be off by one; all of them are checked
    step = near[np.arange(len(values)), np.argmax(round_half_away(near * scale) >= values[:, None], axis=1)]
    return np.clip(np.concatenate([step - 1, step, [-bound, bound]]), -bound, bound)
