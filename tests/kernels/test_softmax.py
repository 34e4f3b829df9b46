"""softmax_s8 against numpy and LiteRT's reference kernel."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.reference.softmax import softmax, softmax_factor
from tests.kernels.clib import Softmax, buffer
from tests.kernels.litert import Fed, network, run


def by_c(c: ctypes.CDLL, x: np.ndarray, factor: tuple[int, int, int]) -> np.ndarray:
    multiplier, shift, least = factor
    params = Softmax(multiplier=multiplier, least=least, c=x.shape[1], shift=shift)
    out = x.copy()  # in place
    c.softmax_s8(ctypes.byref(params), buffer(out), buffer(out), len(x))
    return out


def test_kernels_agree(c: ctypes.CDLL) -> None:
    @settings(max_examples=120, deadline=None)
    @given(
        seed=st.integers(0, 2**32 - 1),
        shape=st.tuples(st.integers(1, 4), st.integers(1, 100)),
        scale=st.one_of(st.floats(2.0**-20, 300.0), st.floats(0.005, 0.5)),
        beta=st.sampled_from([1.0, 0.5]),
        spread=st.integers(0, 128),
    )
    def check(seed: int, shape: tuple[int, int], scale: float, beta: float, spread: int) -> None:
        x = np.random.default_rng(seed).integers(-spread, max(spread, 1), shape).astype(np.int8)
        scale = float(np.float32(scale))
        factor = softmax_factor(scale, beta)
        expected = softmax(x, *factor)
        assert np.array_equal(by_c(c, x, factor), expected)
        options = schema.SoftmaxOptionsT(beta=beta)
        net = network("SOFTMAX", [Fed(shape, scale, 5)], Fed(shape, 1 / 256, -128), options, version=2)
        assert np.array_equal(run(net, x), expected)

    check()


def test_sums_that_tflite_refuses_round_to_zero(c: ctypes.CDLL) -> None:
    x = np.zeros((1, 1000), np.int8)
    factor = softmax_factor(0.1, 1.0)
    assert (softmax(x, *factor) == -128).all()
    assert (by_c(c, x, factor) == -128).all()


def test_a_scale_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        softmax_factor(1e-9, 1.0)
