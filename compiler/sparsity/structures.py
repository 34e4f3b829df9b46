"""Which weights live and die together.

A structure maps an HWIO kernel to groups: `group_of` (k_h·k_w·c_in, c_out) holds each weight's group number.

unstructured  every weight is a group
filter        S[..., o]: one group per output filter
channel       S[:, :, i, :]: one group per input channel
block         b_in × b_out tiles of the channel plane at each kernel position
"""

from __future__ import annotations

import numpy as np

from compiler.errors import BadInput


def unstructured(shape: tuple[int, int, int, int], block: tuple[int, int] | None = None) -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(-1, shape[3])


def filter_(shape: tuple[int, int, int, int], block: tuple[int, int] | None = None) -> np.ndarray:
    k_h, k_w, c_in, c_out = shape
    return np.tile(np.arange(c_out), (k_h * k_w * c_in, 1))


def channel(shape: tuple[int, int, int, int], block: tuple[int, int] | None = None) -> np.ndarray:
    k_h, k_w, c_in, c_out = shape
    return np.tile(np.tile(np.arange(c_in), k_h * k_w)[:, None], (1, c_out))


def block(shape: tuple[int, int, int, int], block: tuple[int, int] | None = None) -> np.ndarray:
    k_h, k_w, c_in, c_out = shape
    if block is None or c_in % block[0] or c_out % block[1]:
        raise BadInput(f"block {block} doesn't divide the channels {c_in} × {c_out}; choose divisors of both.")
    b_in, b_out = block
    tiles_in, tiles_out = c_in // b_in, c_out // b_out
    position = np.arange(k_h * k_w)[:, None, None] * tiles_in * tiles_out
    tile = (np.arange(c_in) // b_in)[None, :, None] * tiles_out + (np.arange(c_out) // b_out)[None, None, :]
    return (position + tile).reshape(-1, c_out)


STRUCTURES = {"unstructured": unstructured, "filter": filter_, "channel": channel, "block": block}
