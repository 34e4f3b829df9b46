"""The formats of weights: what is packed comes back, and costs what the price says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.reference.bitmap import bitmap_bytes, pack_bitmap, unpack_bitmap
from kernels.reference.block import block_bytes, pack_block, unpack_block
from kernels.reference.nibbles import nibble_bytes, pack_nibbles, unpack_nibbles

SHAPES = st.tuples(*[st.integers(1, 3)] * 2, st.integers(1, 20), st.integers(1, 20))  # HWIO


def sparse(seed: int, shape: tuple[int, int, int, int], density: float) -> np.ndarray:
    """OHWI."""
    k_h, k_w, c_in, c_out = shape
    rng = np.random.default_rng(seed)
    weights = rng.integers(-127, 128, (c_out, k_h, k_w, c_in)).astype(np.int8)
    weights[rng.random(weights.shape) >= density] = 0
    return weights


@given(seed=st.integers(0, 2**32 - 1), shape=SHAPES, density=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_bitmap(seed: int, shape: tuple[int, int, int, int], density: float) -> None:
    weights = sparse(seed, shape, density)
    bitmap, values = pack_bitmap(weights)
    assert np.array_equal(unpack_bitmap(bitmap, values, weights.shape), weights)
    assert bitmap.nbytes + values.nbytes == bitmap_bytes(shape, np.count_nonzero(weights))


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=SHAPES,
    density=st.floats(0, 0.2),
    block=st.sampled_from([(4, 4), (2, 8), (16, 1), (3, 5)]),
)
@settings(max_examples=60, deadline=None)
def test_block(seed: int, shape: tuple[int, int, int, int], density: float, block: tuple[int, int]) -> None:
    weights = sparse(seed, shape, density)
    bitmap, values = pack_block(weights, block)
    assert np.array_equal(unpack_block(bitmap, values, weights.shape, block), weights)
    kept = int(np.unpackbits(bitmap).sum())
    price = block_bytes(shape, block, kept)
    assert bitmap.nbytes + values.nbytes <= price
    if shape[2] % block[0] == 0 and shape[3] % block[1] == 0:
        assert bitmap.nbytes + values.nbytes == price


@given(seed=st.integers(0, 2**32 - 1), shape=SHAPES)
@settings(max_examples=60, deadline=None)
def test_nibbles(seed: int, shape: tuple[int, int, int, int]) -> None:
    k_h, k_w, c_in, c_out = shape
    weights = np.random.default_rng(seed).integers(-8, 8, (c_out, k_h, k_w, c_in)).astype(np.int8)
    packed = pack_nibbles(weights)
    assert packed.nbytes == nibble_bytes(shape)
    assert np.array_equal(unpack_nibbles(packed, weights.shape), weights)


@pytest.mark.parametrize("value", [-9, 8, 127])
def test_no_nibble_holds_more(value: int) -> None:
    with pytest.raises(ValueError, match=f"{value} don't fit four bits|from {value}"):
        pack_nibbles(np.full((1, 1, 1, 3), value, np.int8))


def test_prices_of_a_layer() -> None:
    assert bitmap_bytes((3, 3, 64, 64), 9216) == 64 * 9 * 8 + 9216
    assert block_bytes((3, 3, 64, 64), (4, 4), 576) == 16 * 9 * 2 + 9216
