"""The bitmap format of sparse kernels: one bit a position and one byte a kept weight. Kernels are OHWI here.

Each window position of each output channel has ⌈c_in / 8⌉ bytes of bits, most significant bit first; the kept weights
follow in the order of their bits, in an array of their own.
"""

from __future__ import annotations

import math

import numpy as np


def bitmap_bytes(shape: tuple[int, int, int, int], kept: int) -> int:
    """Bytes of a kernel (k_h, k_w, c_in, c_out), in the compiler's order HWIO, with `kept` weights that are not 0."""
    k_h, k_w, c_in, c_out = shape
    return c_out * k_h * k_w * math.ceil(c_in / 8) + kept


def pack_bitmap(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(bitmap uint8, kept weights int8) of weights (c_out, k_h, k_w, c_in) int8."""
    return np.packbits(weights != 0, axis=3).ravel(), weights[weights != 0]


def unpack_bitmap(bitmap: np.ndarray, values: np.ndarray, shape: tuple[int, int, int, int]) -> np.ndarray:
    """The weights (c_out, k_h, k_w, c_in) again."""
    c_out, k_h, k_w, c_in = shape
    bits = np.unpackbits(bitmap.reshape(c_out, k_h, k_w, -1), axis=3, count=c_in)
    weights = np.zeros(shape, np.int8)
    weights[bits.astype(bool)] = values
    return weights
