"""fully_connected_s8: a matrix product, scaled in float64 and rounded half away from zero.

    acc[o] = bias[o] + Σ weights[o, i] · (input[i] − zero_in)        out = clamp(round(acc · scale) + zero_out)

That is what LiteRT's reference kernel was seen to compute (tflite/kernels/internal/reference/integer_ops/
fully_connected.h, the overloads that take scales), unlike its convolutions. The C kernel needs no floating point: see
`exact_factor`.
"""

from __future__ import annotations

import numpy as np

from kernels.reference.exact_factor import round_half_away


def fully_connected(
    x: np.ndarray,
    weights: np.ndarray,
    bias: np.ndarray,
    scale: np.ndarray,
    *,
    zero_in: int,
    zero_out: int,
    activation: tuple[int, int] = (-128, 127),
) -> np.ndarray:
    """(n, c_out) int8 of x (n, c_in) int8, weights (c_out, c_in) int8, bias (c_out,) int32, and scale (c_out,) or (1,)
    float64: the input's times the weights' over the output's."""
    acc = (x.astype(np.int64) - zero_in) @ weights.astype(np.int64).T + bias
    return np.clip(round_half_away(acc * scale) + zero_out, *activation).astype(np.int8)
