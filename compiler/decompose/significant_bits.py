"""Numbers of few significant bits."""

from __future__ import annotations

import numpy as np


def significant_bits(values: np.ndarray, bits: int) -> np.ndarray:
    """The nearest k · 2^t of each, 2^(bits − 1) ≤ k < 2^bits; zeros stay."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits)
