"""Integer factors between scales, refused by name where int32 can't hold what they do."""

from __future__ import annotations

import numpy as np

from compiler.backend.targets.c.graph import Operator
from kernels.reference.requantize import quantize_multiplier


def factor_of(operator: Operator, factor: float) -> tuple[int, int]:
    """(multiplier, shift) of a real factor."""
    try:
        return quantize_multiplier(factor)
    except ValueError as error:
        operator.refuse(f"{error}; quantize it again")


def require_int32(operator: Operator, largest: np.ndarray, shift: np.ndarray) -> None:
    """Refuse the operator unless |accumulator| · 2^max(shift, 0) stays below 2^31 in every channel."""
    scaled = largest.astype(object) * np.array([1 << max(0, int(s)) for s in shift], object)
    if (scaled >= 2**31).any():
        channel = int(np.argmax(scaled >= 2**31))
        operator.refuse(f"the sums of channel {channel} can leave int32; its scales are out of range, quantize again")
