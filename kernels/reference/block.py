"""The block format of sparse kernels: one bit a block of b_in × b_out channels, and the kept blocks whole.

Kernels are OHWI here. For each row of blocks (b_out output channels) and window position there are ⌈⌈c_in / b_in⌉ / 8⌉
bytes of bits, most significant bit first. Blocks are stored in the order of their bits, each as (b_out, b_in); those
at the last channels are as small as they are there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np


def block_bytes(shape: tuple[int, int, int, int], block: tuple[int, int], kept: int) -> int:
    """Bytes of a kernel (k_h, k_w, c_in, c_out), in the compiler's order HWIO, with `kept` blocks (b_in, b_out) that
    are not 0. An upper bound where the blocks don't divide the channels."""
    k_h, k_w, c_in, c_out = shape
    b_in, b_out = block
    bits = math.ceil(c_out / b_out) * k_h * k_w * math.ceil(math.ceil(c_in / b_in) / 8)
    return bits + kept * b_in * b_out


def count_blocks(weights: np.ndarray, block: tuple[int, int]) -> int:
    """How many blocks (b_in, b_out) of weights (c_out, k_h, k_w, c_in) are not all 0."""
    return int(np.count_nonzero(_kept(weights, block)))


def pack_block(weights: np.ndarray, block: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(bitmap uint8, kept blocks int8, one behind the other) of weights (c_out, k_h, k_w, c_in) int8."""
    bits = _kept(weights, block)
    pieces = [weights[o, i, j, c].ravel() for o, i, j, c in _places(bits, block)]
    values = np.concatenate(pieces) if pieces else np.zeros(0, np.int8)
    return np.packbits(bits, axis=3).ravel(), values


def unpack_block(
    bitmap: np.ndarray, values: np.ndarray, shape: tuple[int, int, int, int], block: tuple[int, int]
) -> np.ndarray:
    """The weights (c_out, k_h, k_w, c_in) again."""
    c_out, k_h, k_w, c_in = shape
    across = math.ceil(c_in / block[0])
    packed = bitmap.reshape(math.ceil(c_out / block[1]), k_h, k_w, -1)
    bits = np.unpackbits(packed, axis=3, count=across)
    weights = np.zeros(shape, np.int8)
    at = 0
    for o, i, j, c in _places(bits, block):
        target = weights[o, i, j, c]
        target[...] = values[at : at + target.size].reshape(target.shape)
        at += target.size
    return weights


def _kept(weights: np.ndarray, block: tuple[int, int]) -> np.ndarray:
    """(⌈c_out/b_out⌉, k_h, k_w, ⌈c_in/b_in⌉): whether a block has a weight that is not 0."""
    b_in, b_out = block
    by_input = np.logical_or.reduceat(weights != 0, np.arange(0, weights.shape[3], b_in), axis=3)
    return np.logical_or.reduceat(by_input, np.arange(0, weights.shape[0], b_out), axis=0)


def _places(bits: np.ndarray, block: tuple[int, int]) -> Iterator[tuple[slice, int, int, slice]]:
    """Where each set bit's block lies in the weights, in order."""
    b_in, b_out = block
    for o, i, j, c in np.argwhere(bits):
        yield slice(o * b_out, (o + 1) * b_out), int(i), int(j), slice(c * b_in, (c + 1) * b_in)
