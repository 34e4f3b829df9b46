"""The formats of weights: what is packed comes back, and costs what the price says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from compiler.backend.shorten_scales import rounded
from kernels.reference.bitmap import bitmap_bytes, pack_bitmap, unpack_bitmap
from kernels.reference.block import block_bytes, pack_block, unpack_block
from kernels.reference.channel_constants import (
    COARSE_BITS,
    COARSE_STEPS,
    FRACTION_BITS,
    Factors,
    pack_bias,
    pack_factors,
    shorten,
    unpack_factors,
)
from kernels.reference.coded import READ_AHEAD, STATES, pack_coded, shares_of, unpack_coded
from kernels.reference.requantize import quantize_multiplier

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


@given(seed=st.integers(0, 2**32 - 1), shape=SHAPES, spread=st.sampled_from([0.0, 0.2, 0.4, 1.0, 3.0, 20.0]))
@settings(max_examples=80, deadline=None)
def test_coded(seed: int, shape: tuple[int, int, int, int], spread: float) -> None:
    k_h, k_w, c_in, c_out = shape
    values = np.random.default_rng(seed).normal(0, spread, (c_out, k_h, k_w, c_in))
    weights = np.clip(np.rint(values), -8, 7).astype(np.int8)
    shares, codes = pack_coded(weights)
    assert shares.nbytes == 2 + int(weights.max()) - int(weights.min())
    assert int(shares[1:].astype(int).sum()) == STATES
    assert np.array_equal(unpack_coded(shares, codes, weights.shape), weights)


@pytest.mark.parametrize("value", [-9, 8, 127])
def test_no_code_is_for_more(value: int) -> None:
    with pytest.raises(ValueError, match=f"from {value} to {value} have no codes"):
        pack_coded(np.full((1, 1, 1, 3), value, np.int8))


@given(st.lists(st.integers(0, 1000), min_size=16, max_size=16).filter(any))
@settings(max_examples=100, deadline=None)
def test_every_state_is_shared_out_and_every_value_that_occurs_has_one(counts: list[int]) -> None:
    shares = shares_of(np.array(counts))
    assert shares.sum() == STATES
    assert np.array_equal(shares > 0, np.array(counts) > 0)


def test_the_shares_are_those_of_fewest_bits() -> None:
    """Against all ways to share the states out among three values."""
    rng = np.random.default_rng(0)
    ways = np.array([(a, b, STATES - a - b) for a in range(1, STATES - 1) for b in range(1, STATES - a)])
    for _ in range(20):
        counts = rng.integers(1, 10 ** rng.integers(1, 4), 3)
        shares = shares_of(np.append(counts, np.zeros(13, int)))[:3]
        least = np.min(np.log2(STATES / ways) @ counts)
        assert np.log2(STATES / shares) @ counts == pytest.approx(least, rel=1e-9)


@pytest.mark.parametrize(
    ("probabilities", "over"),
    [((0.97, 0.03), 1.1), ((0.2, 0.6, 0.2), 1.01), ((0.05, 0.2, 0.5, 0.2, 0.05), 1.01), ((1 / 16,) * 16, 1.0001)],
)
def test_codes_take_the_entropy_and_hardly_more(probabilities: tuple[float, ...], over: float) -> None:
    """Of two values that a prefix code spends a bit on, a fifth of one."""
    rng = np.random.default_rng(0)
    weights = rng.choice(len(probabilities), (64, 3, 3, 64), p=probabilities).astype(np.int8) - 8
    share = np.bincount(weights.ravel() + 8) / weights.size
    entropy = -float(share @ np.log2(share)) * weights.size
    bits = 8 * (pack_coded(weights)[1].nbytes - READ_AHEAD)
    assert entropy - 8 <= bits <= over * entropy + 16


def test_prices_of_a_layer() -> None:
    assert bitmap_bytes((3, 3, 64, 64), 9216) == 64 * 9 * 8 + 9216
    assert block_bytes((3, 3, 64, 64), (4, 4), 576) == 16 * 9 * 2 + 9216


@pytest.mark.parametrize("bits", [0, 7, 14, 15, 16, 22, 23, 24, 31])
def test_biases_take_what_the_largest_needs(bits: int) -> None:
    rng = np.random.default_rng(bits)
    bias = rng.integers(-(2**bits), 2**bits, 9)
    bias[0] = -(2**bits)
    stored, width = pack_bias(bias)
    assert width == (2 if bits < 16 else 3 if bits < 24 else 4)
    assert stored.nbytes == width * len(bias)
    if width == 3:
        low = stored.reshape(-1, 3).astype(np.int64)
        found = low[:, 0] + (low[:, 1] << 8) + (low[:, 2].astype(np.uint8).view(np.int8).astype(np.int64) << 16)
        assert np.array_equal(found, bias)
    else:
        assert np.array_equal(stored, bias)


def factors_of(scales: np.ndarray, step_in: float, step_out: float) -> tuple[Factors, np.ndarray, np.ndarray]:
    """(as they are stored, multiplier, shift)."""
    pairs = [quantize_multiplier(step_in * float(scale) / step_out) for scale in scales]
    multiplier, shift = np.array(pairs, np.int64).T
    return pack_factors(multiplier, shift, scales, step_in / step_out), multiplier, shift


STEPS = st.floats(2.0**-20, 2.0**6, width=32)


def short_scales(
    rng: np.random.Generator, step_in: float, step_out: float, bits: int = FRACTION_BITS, spread: float = 5
) -> np.ndarray:
    return rounded(np.exp2(rng.uniform(-spread, spread, 20)) * step_out / step_in / 1000, bits).astype(np.float32)


@pytest.mark.parametrize(("bits", "spread", "expected"), [(12, 5, 2), (12, 3, 2), (5, 5, 2), (6, 3, 2), (5, 3, 1)])
@given(seed=st.integers(0, 2**32 - 1), step_in=STEPS, step_out=STEPS)
@example(seed=0, step_in=15.534638404846191, step_out=1.5)  # misses in its second channel
@settings(max_examples=100, deadline=None)
def test_a_byte_or_two_tell_the_factors_of_short_scales(
    bits: int, spread: float, expected: int, seed: int, step_in: float, step_out: float
) -> None:
    """One where they have six bits and lie within 2^7 of each other."""
    scales = short_scales(np.random.default_rng(seed), step_in, step_out, bits, spread)
    exponents = np.frexp(scales)[1]
    if spread == 5 and np.ptp(exponents) <= COARSE_STEPS:
        expected = 1 if bits == COARSE_BITS else 2
    stored, multiplier, shift = factors_of(scales, step_in, step_out)
    short = shorten(scales, step_in / step_out)
    assert short is not None
    off = np.abs(np.subtract(unpack_factors(short), (multiplier, shift)))
    assert off[0].max() <= 1  # a channel in 2^18 misses by one, and then the layer takes five bytes
    assert off[1].max() == 0
    assert stored.bytes == (5 if off.any() else expected)
    assert stored.bytes == 5 or (stored.stored is not None and stored.stored.nbytes == 20 * expected)


def test_nearly_every_layer_of_short_scales_takes_two_bytes() -> None:
    rng = np.random.default_rng(0)
    steps = np.exp2(rng.uniform(-10, 4, (200, 2))).astype(np.float32).astype(float)
    layers = [factors_of(short_scales(rng, *pair), *pair)[0].bytes for pair in steps]
    assert layers.count(2) >= 199


def test_other_scales_take_five_bytes_and_equal_ones_none() -> None:
    long = np.float32([0.1, 0.3])
    stored, multiplier, shift = factors_of(long, 0.5, 0.25)
    assert stored.bytes == 5
    assert stored.stored is not None
    records = stored.stored.reshape(-1, 5)
    assert np.array_equal(np.ascontiguousarray(records[:, :4]).view("<i4").ravel(), multiplier)
    assert np.array_equal(records[:, 4].view(np.int8), shift)
    assert factors_of(np.float32([0.1, 0.1]), 0.5, 0.25)[0].bytes == 0
    # Short, but 2^16 apart.
    assert factors_of(np.float32([1.0, 2.0**-16]), 0.5, 0.25)[0].bytes == 5
    assert factors_of(np.float32([1.0, 2.0**-15]), 0.5, 0.25)[0].bytes == 2
