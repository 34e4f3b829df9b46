"""average_pool_s8, max_pool_s8 and mean_s8 against numpy and LiteRT's reference kernels."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.reference.mean import mean, mean_factor
from kernels.reference.pool import average_pool, max_pool
from kernels.reference.window import Window
from tests.kernels.clib import Mean, Pool, buffer
from tests.kernels.conv_case import window_of
from tests.kernels.litert import Fed, Fixed, network, run

SEEDS = st.integers(0, 2**32 - 1)
REFERENCES = {"AVERAGE_POOL_2D": average_pool, "MAX_POOL_2D": max_pool}
KERNELS = {"AVERAGE_POOL_2D": "average_pool_s8", "MAX_POOL_2D": "max_pool_s8"}


@pytest.mark.parametrize("operator", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
def test_pool_kernels_agree(c: ctypes.CDLL, operator: str) -> None:
    @settings(max_examples=80, deadline=None)
    @given(
        seed=SEEDS,
        size=st.tuples(st.integers(4, 11), st.integers(4, 11), st.integers(1, 9)),
        kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
        strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
        padding=st.sampled_from(["SAME", "VALID"]),
    )
    def check(seed: int, size: tuple, kernel: tuple, strides: tuple, padding: str) -> None:
        x = np.random.default_rng(seed).integers(-128, 128, size).astype(np.int8)
        axes = [window_of(padding, *axis, 1) for axis in zip(kernel, size[:2], strides, strict=True)]
        window = Window(kernel, (axes[0][0], axes[1][0]), strides, (1, 1), (axes[0][1], axes[1][1]))
        for activation in ((-128, 127), (-30, 40)):
            expected = REFERENCES[operator](x, window, activation)
            out = np.zeros_like(expected)
            params = Pool(
                h_in=size[0],
                w_in=size[1],
                h_out=window.out[0],
                w_out=window.out[1],
                c=size[2],
                k_h=kernel[0],
                k_w=kernel[1],
                stride_h=strides[0],
                stride_w=strides[1],
                pad_top=window.pad[0],
                pad_left=window.pad[1],
                min=activation[0],
                max=activation[1],
            )
            getattr(c, KERNELS[operator])(ctypes.byref(params), buffer(x), buffer(out))
            assert np.array_equal(out, expected)
        options = schema.Pool2DOptionsT(
            padding=getattr(schema.Padding, padding),
            strideH=strides[0],
            strideW=strides[1],
            filterHeight=kernel[0],
            filterWidth=kernel[1],
        )
        net = network(operator, [Fed((1, *size), 0.5, 3)], Fed((1, *out.shape), 0.5, 3), options, version=2)
        assert np.array_equal(run(net, x)[0], REFERENCES[operator](x, window))

    check()


def test_mean_kernels_agree(c: ctypes.CDLL) -> None:
    @settings(max_examples=80, deadline=None)
    @given(
        seed=SEEDS,
        size=st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 5)),
        zeros=st.tuples(st.integers(-128, 127), st.integers(-128, 127)),
        ratio=st.one_of(st.just(1.0), st.floats(2.0**-20, 2.0**8)),
    )
    def check(seed: int, size: tuple, zeros: tuple, ratio: float) -> None:
        x = np.random.default_rng(seed).integers(-128, 128, size).astype(np.int8)
        scale_in, scale_out = float(np.float32(0.37)), float(np.float32(0.37 / ratio))
        factor = mean_factor(scale_in / scale_out, size[0] * size[1])
        expected = mean(x.reshape(-1, size[2]), *factor, zero_in=zeros[0], zero_out=zeros[1])
        params = Mean(
            positions=size[0] * size[1],
            multiplier=factor[0],
            shift=factor[1],
            zero_in=zeros[0],
            zero_out=zeros[1],
            c=size[2],
        )
        out = np.zeros_like(expected)
        c.mean_s8(ctypes.byref(params), buffer(x), buffer(out))
        assert np.array_equal(out, expected)
        net = network(
            "MEAN",
            [Fed((1, *size), scale_in, zeros[0]), Fixed(np.int32([1, 2]))],
            Fed((1, size[2]), scale_out, zeros[1]),
            schema.ReducerOptionsT(),
            version=2,
        )
        assert np.array_equal(run(net, x)[0], expected)

    check()
