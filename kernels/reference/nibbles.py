"""The format of conv2d_nibbles_s8: two weights of −8 … 7 in a byte, the low half first, each window position of each
output channel in bytes of its own. What is computed from it is `conv2d`."""

from __future__ import annotations

import math

import numpy as np

LOWEST, HIGHEST = -8, 7


def nibble_bytes(shape_hwio: tuple[int, int, int, int]) -> int:
    """Bytes of a kernel."""
    k_h, k_w, c_in, c_out = shape_hwio
    return k_h * k_w * c_out * math.ceil(c_in / 2)


def pack_nibbles(weights: np.ndarray) -> np.ndarray:
    """int8 (c_out · k_h · k_w · ⌈c_in / 2⌉,) of OHWI weights. Raises ValueError for values beyond four bits."""
    if weights.size and (weights.min() < LOWEST or weights.max() > HIGHEST):
        raise ValueError(f"weights from {weights.min()} to {weights.max()} don't fit four bits")
    padded = np.pad(weights, [(0, 0)] * 3 + [(0, weights.shape[3] % 2)]).astype(np.uint8) & 0x0F
    pairs = padded.reshape(-1, 2)
    return (pairs[:, 0] | pairs[:, 1] << 4).astype(np.uint8).view(np.int8)


def unpack_nibbles(packed: np.ndarray, shape_ohwi: tuple[int, int, int, int]) -> np.ndarray:
    """The OHWI weights again."""
    c_in = shape_ohwi[3]
    data = packed.view(np.uint8)
    halves = np.stack([data & 0x0F, data >> 4], axis=1).astype(np.int8)
    signed = np.where(halves > HIGHEST, halves - 16, halves).astype(np.int8)
    return np.ascontiguousarray(signed.reshape(*shape_ohwi[:3], -1)[..., :c_in])
