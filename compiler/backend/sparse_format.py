"""TFLite's encoding of a sparse convolution kernel: what it stores, byte for byte, and the smallest way to store it.

A sparse tensor is a tree of levels, outermost first (TACO: Kjolstad et al. 2017, doi:10.1145/3133901; TFLite's
`SparsityParameters` in tensorflow/lite/schema/schema.fbs). Each level walks one dimension and is either

    dense   all of the dimension's coordinates below every node of the level above, or
    CSR     only those below which something is not zero: `segments` (parents + 1 running counts) and `indices`
            (the coordinates), each as uint8, uint16 or int32, whichever holds them.

A blocked dimension is split in two: a level over blocks, and a dense level inside the block, which comes last.
`values` holds the leaves in the order of the walk, zeros inside a dense level included.

Kernels here are OHWI, as TFLite stores CONV_2D's. Which dimension goes first and which levels are CSR is free, and
with four dimensions there are 4!·2⁴ = 384 formats a block size. The number of nodes of a CSR level is the number of
distinct coordinate tuples, over the dimensions walked so far, with something non-zero below. It depends on the *set*
of these dimensions only, so 2⁴ counts price all 384 formats exactly. Of a kernel that is known only by its number of
non-zero groups, each count is at most the smaller of that number and of the set's size, which bounds the price.

Numpy only: the solver prices candidates with the very code that writes them.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

O, H, W, I = range(4)  # noqa: E741 - the axes of an OHWI kernel
RANK = 4

_ORDERS = list(itertools.permutations(range(RANK)))
_MASKS = list(itertools.product((False, True), repeat=RANK))
_ORDER = np.repeat(np.array(_ORDERS), len(_MASKS), axis=0)  # (384, 4): dimension of each level
_SPARSE = np.tile(np.array(_MASKS), (len(_ORDERS), 1))  # (384, 4): is the level CSR
_WALKED = np.cumsum(1 << _ORDER, axis=1)  # (384, 4): the set of dimensions walked, as a bit mask

# Blocks (b_in, b_out) that are tried on any kernel, whatever structure it was pruned to.
BLOCKS = ((1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (1, 4), (4, 4), (8, 1), (1, 8), (8, 8), (16, 1), (1, 16))


@dataclass(frozen=True, slots=True)
class SparseFormat:
    """order: the axes of OHWI, outermost level first; sparse: whether each level is CSR; block: (b_in, b_out)."""

    order: tuple[int, ...]
    sparse: tuple[bool, ...]
    block: tuple[int, int] = (1, 1)

    @property
    def blocked_axes(self) -> tuple[tuple[int, int], ...]:
        """(axis of OHWI, block size) of each axis that is split, ascending, as the block map wants them."""
        b_in, b_out = self.block
        return tuple((axis, size) for axis, size in ((O, b_out), (I, b_in)) if size > 1)


@dataclass(frozen=True, eq=False, slots=True)
class Level:
    """One level of the tree: dense with `size` coordinates, or CSR with `segments` and `indices`."""

    size: int
    segments: np.ndarray | None = None
    indices: np.ndarray | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Encoded:
    """A kernel in TFLite's sparse form. `levels` are those of the format's order, then the insides of the blocks."""

    format: SparseFormat
    levels: tuple[Level, ...]
    values: np.ndarray

    @property
    def nbytes(self) -> int:
        """Bytes of values, segments and indices."""
        arrays = [a for level in self.levels for a in (level.segments, level.indices) if a is not None]
        return self.values.nbytes + sum(a.nbytes for a in arrays)


def encode(ohwi: np.ndarray, form: SparseFormat) -> Encoded:
    """Store the kernel (c_out, k_h, k_w, c_in) in the given format. ValueError where the block does not divide."""
    tiles = _tiles(ohwi, form.block)
    sizes = tiles.shape[:RANK]
    tiles = tiles.transpose(*form.order, RANK, RANK + 1)
    nonzero = _occupied(tiles)
    stored = np.zeros(1, np.int64)  # flat index, over the dimensions walked, of each node of the level above
    levels = []
    for depth, (axis, is_sparse) in enumerate(zip(form.order, form.sparse, strict=True)):
        size = sizes[axis]
        if is_sparse:
            present = nonzero.any(tuple(range(depth + 1, RANK))).reshape(-1, size)[stored]
            parent, coordinate = np.nonzero(present)
            segments = np.concatenate([[0], np.cumsum(present.sum(1))])
            levels.append(Level(size, _narrow(segments, len(coordinate)), _narrow(coordinate, size - 1)))
            stored = stored[parent] * size + coordinate
        else:
            levels.append(Level(size))
            stored = (stored[:, None] * size + np.arange(size)).ravel()
    levels += [Level(size) for _, size in form.blocked_axes]
    values = tiles.reshape(math.prod(sizes), -1)[stored].ravel()
    return Encoded(form, tuple(levels), np.ascontiguousarray(values))


def smallest(ohwi: np.ndarray, blocks: Iterable[tuple[int, int]] = BLOCKS) -> SparseFormat | None:
    """The format that stores this kernel in the fewest bytes, over all orders, levels and the given blocks that
    divide it; None if nothing is smaller than the dense kernel."""
    best_bytes, best = ohwi.size, None
    for block in blocks:
        if ohwi.shape[I] % block[0] or ohwi.shape[O] % block[1]:
            continue
        nonzero = _occupied(_tiles(ohwi, block))
        counts = [
            np.count_nonzero(nonzero.any(tuple(a for a in range(RANK) if not walked >> a & 1)))
            for walked in range(1 << RANK)
        ]
        costs = _costs(nonzero.shape, np.array(counts), math.prod(block))
        index = int(np.argmin(costs))
        if costs[index] < best_bytes:
            best_bytes, best = int(costs[index]), _format(index, block)
    return best


@functools.lru_cache(maxsize=1 << 16)
def encoded_bytes(
    shape_hwio: tuple[int, int, int, int], structure: str, block: tuple[int, int] | None, kept: int
) -> int:
    """Bytes (values, segments, indices) that a kernel with `kept` non-zero groups takes at most: a tight upper bound
    over all patterns with that many groups, and never more than the dense kernel.

    A group is a weight ("unstructured"), an output filter ("filter"), an input channel ("channel") or a tile of
    `block` = (b_in, b_out) weights at one kernel position ("block").
    """
    k_h, k_w, c_in, c_out = shape_hwio
    tile = block if structure == "block" and block else (1, 1)
    sizes = np.array([c_out // tile[1], k_h, k_w, c_in // tile[0]])
    free = {"unstructured": {O, H, W, I}, "block": {O, H, W, I}, "filter": {O}, "channel": {I}}[structure]
    counts = np.ones(1 << RANK, np.int64)
    for walked in range(1 << RANK):
        axes = [a for a in range(RANK) if walked >> a & 1]
        chosen = min(max(kept, 1), math.prod(int(sizes[a]) for a in axes if a in free))
        counts[walked] = chosen * math.prod(int(sizes[a]) for a in axes if a not in free)
    return int(_costs(sizes, counts, math.prod(tile)).min())


def _costs(sizes: Iterable[int], counts: np.ndarray, tile: int) -> np.ndarray:
    """Bytes of every format (384): `sizes` of the (blocked) axes, `counts` of non-zero tuples by set of axes, and the
    weights in a tile."""
    by_level = np.asarray(sizes, np.int64)[_ORDER]
    present = counts[_WALKED]
    nodes = np.ones(len(_ORDER), np.int64)
    total = np.zeros(len(_ORDER), np.int64)
    for level in range(RANK):
        size, below, sparse = by_level[:, level], present[:, level], _SPARSE[:, level]
        total += sparse * ((nodes + 1) * _width(below) + below * _width(size - 1))
        nodes = np.where(sparse, below, nodes * size)
    return total + nodes * tile


def _format(index: int, block: tuple[int, int]) -> SparseFormat:
    return SparseFormat(
        tuple(int(a) for a in _ORDER[index]), tuple(bool(s) for s in _SPARSE[index]), (int(block[0]), int(block[1]))
    )


def _tiles(ohwi: np.ndarray, block: tuple[int, int]) -> np.ndarray:
    """(c_out/b_out, k_h, k_w, c_in/b_in, b_out, b_in)."""
    (c_out, k_h, k_w, c_in), (b_in, b_out) = ohwi.shape, block
    if c_in % b_in or c_out % b_out:
        raise ValueError(f"block {b_in},{b_out} does not divide {c_in} input and {c_out} output channels")
    return ohwi.reshape(c_out // b_out, b_out, k_h, k_w, c_in // b_in, b_in).transpose(0, 2, 3, 4, 1, 5)


def _occupied(tiles: np.ndarray) -> np.ndarray:
    """Which tiles are stored: those with something non-zero, or the first where there is none, since a constant
    without a single value would read as a tensor that is computed."""
    occupied = (tiles != 0).any((RANK, RANK + 1))
    if not occupied.any():
        occupied.flat[0] = True
    return occupied


def _width(largest: np.ndarray) -> np.ndarray:
    """Bytes of the narrowest of TFLite's index types that holds numbers up to `largest`."""
    return np.where(largest <= 0xFF, 1, np.where(largest <= 0xFFFF, 2, 4))


def _narrow(array: np.ndarray, largest: int) -> np.ndarray:
    return array.astype({1: "u1", 2: "<u2", 4: "<i4"}[int(_width(np.asarray(largest)))])
