from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.backend.sparse_format import BLOCKS, Encoded, SparseFormat, encode, encoded_bytes, smallest


def decode(encoded: Encoded, shape: tuple[int, ...]) -> np.ndarray:
    """The definition of the format, walked level by level; nothing of the encoder is used."""
    dense = np.zeros(shape, np.int8)
    values = iter(encoded.values.tolist())
    blocked = encoded.format.blocked_axes

    def walk(depth: int, node: int, coordinates: list[int]) -> None:
        if depth == len(encoded.levels):
            place = dict(zip(encoded.format.order, coordinates[:4], strict=True))
            for (axis, size), inside in zip(blocked, coordinates[4:], strict=True):
                place[axis] = place[axis] * size + inside
            dense[tuple(place[axis] for axis in range(4))] = next(values)
            return
        level = encoded.levels[depth]
        if level.segments is None:
            children = [(node * level.size + c, c) for c in range(level.size)]
        else:
            span = range(int(level.segments[node]), int(level.segments[node + 1]))
            children = [(i, int(level.indices[i])) for i in span]
        for child, coordinate in children:
            walk(depth + 1, child, [*coordinates, coordinate])

    walk(0, 0, [])
    assert next(values, None) is None, "values are left over"
    return dense


def pruned(shape: tuple[int, ...], block: tuple[int, int], kept: int, seed: int) -> np.ndarray:
    """An OHWI kernel with `kept` random tiles of block (b_in, b_out)."""
    rng = np.random.default_rng(seed)
    (c_out, k_h, k_w, c_in), (b_in, b_out) = shape, block
    grid = (c_out // b_out, k_h, k_w, c_in // b_in)
    mask = np.zeros(math.prod(grid), bool)
    mask[rng.choice(mask.size, kept, replace=False)] = True
    mask = mask.reshape(grid).repeat(b_out, 0).repeat(b_in, 3)
    return np.where(mask, rng.integers(1, 128, shape), 0).astype(np.int8)


def bytes_of_arrays(encoded: Encoded) -> int:
    arrays = [encoded.values, *(a for level in encoded.levels for a in (level.segments, level.indices))]
    return sum(a.size * a.dtype.itemsize for a in arrays if a is not None)


kernels = st.tuples(
    st.sampled_from([(4, 1, 1, 8), (8, 3, 3, 4), (4, 2, 3, 4), (12, 1, 2, 4)]),
    st.sampled_from([(1, 1), (2, 1), (1, 4), (2, 2), (4, 4)]),
    st.floats(0, 1),
    st.integers(0, 999),
)
formats = st.tuples(st.permutations(range(4)), st.lists(st.booleans(), min_size=4, max_size=4))


def build(case: tuple) -> tuple[np.ndarray, tuple[int, int], int]:
    shape, block, density, seed = case
    groups = math.prod(shape) // math.prod(block)
    kept = round(density * groups)
    return pruned(shape, block, kept, seed), block, kept


@settings(max_examples=60, deadline=None)
@given(kernels, formats)
def test_every_format_decodes_to_the_kernel(case: tuple, form: tuple) -> None:
    kernel, block, _ = build(case)
    encoded = encode(kernel, SparseFormat(tuple(form[0]), tuple(form[1]), block))
    assert np.array_equal(decode(encoded, kernel.shape), kernel)
    assert encoded.nbytes == bytes_of_arrays(encoded)


@settings(max_examples=8, deadline=None)
@given(kernels)
def test_smallest_is_the_smallest_of_all(case: tuple) -> None:
    kernel, block, _ = build(case)
    everything = [
        encode(kernel, SparseFormat(order, mask, block)).nbytes
        for order in itertools.permutations(range(4))
        for mask in itertools.product((False, True), repeat=4)
    ]
    form = smallest(kernel, [block])
    assert (kernel.size if form is None else encode(kernel, form).nbytes) == min(*everything, kernel.size)


@settings(max_examples=60, deadline=None)
@given(kernels)
def test_the_price_is_never_below_what_is_written_and_tight(case: tuple) -> None:
    kernel, block, kept = build(case)
    c_out, k_h, k_w, c_in = kernel.shape
    form = smallest(kernel, [block])
    written = kernel.size if form is None else encode(kernel, form).nbytes
    price = encoded_bytes((k_h, k_w, c_in, c_out), "block", block, kept)
    assert written <= price <= kernel.size
    # A pattern of few groups may happen to lie together; beyond that the bound is what is written.
    assert price <= 1.25 * written + 32


@pytest.mark.parametrize(("structure", "axis"), [("filter", 0), ("channel", 3)])
@pytest.mark.parametrize("kept", [1, 5, 11])
def test_whole_filters_and_channels_cost_their_weights_and_an_index(structure: str, axis: int, kept: int) -> None:
    kernel = np.zeros((12, 3, 3, 20), np.int8)
    np.moveaxis(kernel, axis, 0)[np.random.default_rng(kept).permutation(12)[:kept]] = 1
    weights = kernel.size // kernel.shape[axis]
    form = smallest(kernel)
    assert form is not None
    assert (
        encode(kernel, form).nbytes == encoded_bytes((3, 3, 20, 12), structure, None, kept) == kept * (weights + 1) + 2
    )


def test_indices_are_as_narrow_as_they_can_be() -> None:
    def index_types(c_in: int, kept: int) -> set[str]:
        encoded = encode(
            pruned((2, 1, 1, c_in), (1, 1), kept, 0), SparseFormat((0, 1, 2, 3), (False, False, False, True))
        )
        return {encoded.levels[3].segments.dtype.name, encoded.levels[3].indices.dtype.name}

    assert index_types(256, 255) == {"uint8"}
    assert index_types(256, 256) == {"uint16", "uint8"}
    assert index_types(257, 255) == {"uint8", "uint16"}
    assert index_types(40_000, 65_536) == {"int32", "uint16"}


def test_beyond_256_channels_pairs_keep_the_indices_in_a_byte() -> None:
    kernel = pruned((512, 1, 1, 512), (1, 1), 512 * 512 // 10, 0)
    alone, pairs = smallest(kernel, [(1, 1)]), smallest(kernel, BLOCKS)
    assert alone is not None
    assert pairs is not None
    assert encode(kernel, pairs).nbytes < 0.96 * encode(kernel, alone).nbytes


def test_a_kernel_of_zeros_keeps_a_value() -> None:
    kernel = np.zeros((8, 3, 3, 8), np.int8)
    form = smallest(kernel)
    assert form is not None
    encoded = encode(kernel, form)
    assert 0 < encoded.values.size < 10
    assert np.array_equal(decode(encoded, kernel.shape), kernel)


def test_a_dense_kernel_is_left_dense() -> None:
    assert smallest(np.ones((8, 3, 3, 8), np.int8)) is None
    assert encoded_bytes((3, 3, 8, 8), "unstructured", None, 576) == 576


def test_a_block_that_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="block 3,1 does not divide 4 input and 4 output channels"):
        encode(np.ones((4, 1, 1, 4), np.int8), SparseFormat((0, 1, 2, 3), (True,) * 4, (3, 1)))
