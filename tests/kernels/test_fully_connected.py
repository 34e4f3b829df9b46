"""fully_connected_s8: numpy in float64, C in integers, and LiteRT's reference kernel give the same bytes."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.reference.conv2d import fold_bias
from kernels.reference.exact_factor import apply_factor, exact_factor, round_half_away
from kernels.reference.fully_connected import fully_connected
from tests.kernels.clib import FullyConnected, Kept, buffer
from tests.kernels.conv_case import random_scales
from tests.kernels.litert import Fed, Fixed, network, run


@given(
    scale=st.one_of(
        st.floats(2.0**-40, 2.0, allow_subnormal=False),
        st.integers(-40, 1).map(lambda e: 2.0**e),
        st.tuples(st.integers(1, 2**10), st.integers(-30, -10)).map(lambda p: p[0] * 2.0 ** p[1]),
    ),
    bits=st.integers(4, 12),
    zero_out=st.integers(-128, 127),
)
@settings(max_examples=100, deadline=None)
def test_factor_rounds_as_float64_does(scale: float, bits: int, zero_out: int) -> None:
    bound = 2**bits
    low, high = -128 - zero_out, 127 - zero_out
    factor = exact_factor(scale, bound, low, high)
    assert factor is not None
    acc = np.arange(-bound, bound + 1)
    expected = np.clip(round_half_away(acc * scale), low, high)
    assert np.array_equal(np.clip(apply_factor(acc, *factor), low, high), expected)
    assert bound * factor[0] < 2**62


def test_a_factor_that_would_overflow_is_none() -> None:
    assert exact_factor(2.0**40, 2**25, -128, 127) is None


@given(x=st.floats(-300, 300), ties=st.integers(-300, 300))
@settings(max_examples=50, deadline=None)
def test_round_half_away(x: float, ties: int) -> None:
    assert round_half_away(np.float64(ties + 0.5)) == (ties + 1 if ties >= 0 else ties)
    assert abs(round_half_away(np.float64(x)) - x) <= 0.5
    assert round_half_away(np.float64(0.49999999999999994)) == 0


@pytest.mark.parametrize("tie_prone", [False, True])
def test_kernels_agree(c: ctypes.CDLL, tie_prone: bool) -> None:
    @settings(max_examples=30, deadline=None)
    @given(
        seed=st.integers(0, 2**32 - 1),
        shape=st.tuples(st.integers(1, 3), st.integers(1, 70), st.integers(1, 15)),
        zeros=st.tuples(st.integers(-128, 127), st.integers(-128, 127)),
        per_channel=st.booleans(),
    )
    def check(seed: int, shape: tuple[int, int, int], zeros: tuple[int, int], per_channel: bool) -> None:
        n, c_in, c_out = shape
        rng = np.random.default_rng(seed)
        x = rng.integers(-128, 128, (n, c_in)).astype(np.int8)
        weights = rng.integers(-127, 128, (c_out, c_in)).astype(np.int8)
        bias = rng.integers(-5000, 5000, c_out).astype(np.int32)
        scale_in, scale_weights, scale_out = random_scales(rng, weights, bias, zeros[0], extreme=False)
        if tie_prone:  # powers of two: halves come out often, and their rounding shows
            scale_in, scale_out = (np.exp2(np.round(np.log2(s))).astype(np.float32) for s in (scale_in, scale_out))
            scale_weights = np.exp2(np.round(np.log2(scale_weights))).astype(np.float32)
        if not per_channel:
            scale_weights = scale_weights[:1]
        scale = float(scale_in) * scale_weights.astype(np.float64) / float(scale_out)
        expected = fully_connected(x, weights, bias, scale, zero_in=zeros[0], zero_out=zeros[1])

        folded = fold_bias(bias, weights, zeros[0])
        bound = int((np.abs(folded) + 128 * np.abs(weights.astype(int)).sum(axis=1)).max())
        factors = [exact_factor(float(s), bound, -128 - zeros[1], 127 - zeros[1]) for s in scale]
        kept = Kept()
        params = FullyConnected(
            weights=kept.pointer(weights, np.int8),
            bias=kept.pointer(folded, np.int32),
            multiplier=kept.pointer([f[0] for f in factors if f], np.int64),
            shift=kept.pointer([f[1] for f in factors if f], np.uint8),
            c_in=c_in,
            c_out=c_out,
            per_channel=per_channel,
            zero_out=zeros[1],
            min=-128,
            max=127,
        )
        out = np.zeros((n, c_out), np.int8)
        c.fully_connected_s8(ctypes.byref(params), buffer(x), buffer(out), n)
        assert np.array_equal(out, expected)

        net = network(
            "FULLY_CONNECTED",
            [
                Fed((n, c_in), float(scale_in), zeros[0]),
                Fixed(weights, scale_weights),
                Fixed(bias, scale_in * scale_weights),
            ],
            Fed((n, c_out), float(scale_out), zeros[1]),
            schema.FullyConnectedOptionsT(),
            version=12 if per_channel else 4,
        )
        assert np.array_equal(run(net, x), expected)

    check()
