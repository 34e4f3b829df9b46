"""The formats of weights: what is packed comes back, and costs what the price says."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.reference.bitmap import bitmap_bytes, pack_bitmap, unpack_bitmap
from kernels.reference.block import block_bytes, pack_block, unpack_block
from kernels.reference.coded import LONGEST, code_lengths, coded_bytes, pack_coded, unpack_coded

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


@given(seed=st.integers(0, 2**32 - 1), shape=SHAPES, spread=st.sampled_from([0.0, 0.4, 1.0, 3.0, 20.0]))
@settings(max_examples=80, deadline=None)
def test_coded(seed: int, shape: tuple[int, int, int, int], spread: float) -> None:
    k_h, k_w, c_in, c_out = shape
    values = np.random.default_rng(seed).normal(0, spread, (c_out, k_h, k_w, c_in))
    weights = np.clip(np.rint(values), -8, 7).astype(np.int8)
    lengths, codes = pack_coded(weights)
    assert lengths.nbytes + codes.nbytes == coded_bytes(weights)
    assert np.array_equal(unpack_coded(lengths, codes, weights.shape), weights)


@pytest.mark.parametrize("value", [-9, 8, 127])
def test_no_code_is_for_more(value: int) -> None:
    with pytest.raises(ValueError, match=f"from {value} to {value} have no codes"):
        pack_coded(np.full((1, 1, 1, 3), value, np.int8))


@given(st.lists(st.integers(0, 1000), min_size=16, max_size=16))
@settings(max_examples=100, deadline=None)
def test_code_lengths_are_those_of_a_prefix_code_near_the_entropy(counts: list[int]) -> None:
    lengths = code_lengths(np.array(counts))
    used = lengths[lengths > 0]
    assert np.array_equal(lengths > 0, np.array(counts) > 0)
    assert np.all(used <= LONGEST)
    if len(used) > 1:
        assert np.sum(0.5**used) == 1  # complete: no bits are given away
        share = np.array(counts)[np.array(counts) > 0] / sum(counts)
        entropy = -np.sum(share * np.log2(share))
        mean = share @ used
        assert entropy <= mean + 1e-9
        assert mean <= max(4.0, entropy + 1)  # codes of four bits each would do, too


def test_code_lengths_are_the_least() -> None:
    """Against every prefix code of four values, by Kraft's inequality."""
    rng = np.random.default_rng(0)
    for _ in range(40):
        counts = np.append(rng.integers(1, 60, 4), np.zeros(12, int))
        best = min(
            int(counts[:4] @ np.array(lengths))
            for lengths in itertools.product(range(1, LONGEST + 1), repeat=4)
            if sum(0.5**n for n in lengths) <= 1
        )
        assert counts @ code_lengths(counts) == best


def test_prices_of_a_layer() -> None:
    assert bitmap_bytes((3, 3, 64, 64), 9216) == 64 * 9 * 8 + 9216
    assert block_bytes((3, 3, 64, 64), (4, 4), 576) == 16 * 9 * 2 + 9216
