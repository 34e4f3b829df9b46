"""How the weights of a convolution are stored: dense, coded, with a bitmap, or in blocks; whatever takes
least flash."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.reference.bitmap import bitmap_bytes, pack_bitmap
from kernels.reference.block import block_bytes, count_blocks, pack_block
from kernels.reference.coded import fits, pack_coded

BLOCKS = (
    *((4, 4), (8, 4), (4, 8), (8, 8), (16, 1), (1, 16), (8, 1), (1, 8), (4, 1), (1, 4)),
    *((2, 2), (2, 1), (1, 2), (16, 4), (16, 16)),
)
"""(b_in, b_out) that are tried, whatever structure the kernel was pruned to."""

READ_AHEAD = np.zeros(3, np.uint8)  # the sparse kernels read the bitmap by four bytes


@dataclass(frozen=True, eq=False)
class Packed:
    """kernel: the row kernel that reads `arrays`, by field of conv2d_params. block (b_in, b_out), or zeros. weights:
    how many there are in them, where they are not one in each int8."""

    kernel: str
    arrays: dict[str, np.ndarray]
    block: tuple[int, int] = (0, 0)
    weights: int | None = None

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.arrays.values())

    @property
    def counts(self) -> tuple[int, ...]:
        """Of each array how many weights it holds; bitmaps and shares of values hold none."""
        weights = self.arrays["weights"].size if self.weights is None else self.weights
        return tuple(weights if field == "weights" else 0 for field in self.arrays)

    @classmethod
    def dense(cls, weights: np.ndarray) -> Packed:
        """OHWI."""
        return cls("conv2d_dense_s8", {"weights": weights})

    @classmethod
    def pointwise(cls, weights: np.ndarray) -> Packed:
        """OHWI of 1×1 without padding."""
        return cls("conv2d_1x1_s8", {"weights": weights})

    @classmethod
    def depthwise(cls, weights: np.ndarray) -> Packed:
        """HWC."""
        return cls("depthwise_s8", {"weights": weights})

    @classmethod
    def coded(cls, weights: np.ndarray) -> Packed:
        """OHWI, of values that four bits hold."""
        shares, codes = pack_coded(weights)
        return cls("conv2d_coded_s8", {"weights": codes, "bitmap": shares}, weights=weights.size)

    @classmethod
    def bitmap(cls, weights: np.ndarray) -> Packed:
        """OHWI."""
        bits, values = pack_bitmap(weights)
        arrays = {"weights": _at_least_one(values), "bitmap": np.concatenate([bits, READ_AHEAD])}
        return cls("conv2d_sparse_bitmap_s8", arrays)

    @classmethod
    def blocks(cls, weights: np.ndarray, block: tuple[int, int]) -> Packed:
        """OHWI."""
        bits, values = pack_block(weights, block)
        arrays = {"weights": _at_least_one(values), "bitmap": np.concatenate([bits, READ_AHEAD])}
        return cls("conv2d_sparse_block_s8", arrays, block)


def smallest(weights: np.ndarray, dense: Packed, most_kept: float) -> Packed:
    """The smallest form of OHWI weights; sparse only if at most that share of them is kept, since a kept weight takes
    about twice the instructions of a dense one where the arena has no gap (see `use_gaps`)."""
    c_out, k_h, k_w, c_in = weights.shape
    if fits(weights):
        dense = min(dense, Packed.coded(weights), key=lambda packed: packed.nbytes)
    kept = np.count_nonzero(weights)
    if kept > most_kept * weights.size:
        return dense
    shape = (k_h, k_w, c_in, c_out)
    sizes = {block: block_bytes(shape, block, count_blocks(weights, block)) for block in BLOCKS}
    block = min(BLOCKS, key=lambda b: sizes[b])
    blocks = sizes[block] < bitmap_bytes(shape, kept)
    sparse = Packed.blocks(weights, block) if blocks else Packed.bitmap(weights)
    return min(dense, sparse, key=lambda packed: packed.nbytes)


def _at_least_one(values: np.ndarray) -> np.ndarray:
    """C has no arrays of length 0."""
    return values if values.size else np.zeros(1, np.int8)
