"""Every row kernel: numpy, C and LiteRT's reference kernels give the same bytes."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.clib import Kept, buffer
from tests.kernels.conv_case import ConvCase, conv_cases, scratch_of
from tests.kernels.litert import run

BLOCKS = [(4, 4), (2, 8), (1, 3), (16, 1), (1, 16), (3, 5)]


def by_c(c: ctypes.CDLL, case: ConvCase, kernel: str, block: tuple[int, int] | None = None) -> np.ndarray:
    kept = Kept()
    out = np.zeros((*case.window.out, case.c_out), np.int8)
    struct, scratch = case.struct(c, kernel, kept, block), scratch_of(case)
    c.conv2d_rows_s8(ctypes.byref(struct), buffer(case.x), buffer(scratch), buffer(out))
    return out


def test_kernels_agree(c: ctypes.CDLL) -> None:
    @settings(max_examples=150, deadline=None)
    @given(case=conv_cases(), activation=st.sampled_from([(-128, 127), (-20, 70)]))
    def check(case: ConvCase, activation: tuple[int, int]) -> None:
        assert np.array_equal(by_c(c, case, "conv2d_dense_s8"), case.expected())
        clamped = replace(case, activation=activation)
        assert np.array_equal(by_c(c, clamped, "conv2d_dense_s8"), clamped.expected())
        if case.padding:
            assert np.array_equal(run(case.tflite(), case.x)[0], case.expected())

    check()


def test_1x1_kernels_agree(c: ctypes.CDLL) -> None:
    @settings(max_examples=60, deadline=None)
    @given(case=conv_cases(pointwise=True))
    def check(case: ConvCase) -> None:
        assert np.array_equal(by_c(c, case, "conv2d_1x1_s8"), case.expected())
        assert np.array_equal(run(case.tflite(), case.x)[0], case.expected())

    check()


def test_depthwise_kernels_agree(c: ctypes.CDLL) -> None:
    @settings(max_examples=100, deadline=None)
    @given(case=conv_cases(depthwise=True))
    def check(case: ConvCase) -> None:
        assert np.array_equal(by_c(c, case, "depthwise_s8"), case.expected())
        if case.padding:
            assert np.array_equal(run(case.tflite(), case.x)[0], case.expected())

    check()


def test_coded_kernel_agrees(c: ctypes.CDLL) -> None:
    @settings(max_examples=150, deadline=None)
    @given(case=conv_cases(four_bits=True))
    def check(case: ConvCase) -> None:
        assert np.array_equal(by_c(c, case, "conv2d_coded_s8"), case.expected())
        if case.padding:
            assert np.array_equal(run(case.tflite(), case.x)[0], case.expected())

    check()


@pytest.mark.parametrize("density", [0.0, 0.05, 0.3, 1.0])
def test_bitmap_kernels_agree(c: ctypes.CDLL, density: float) -> None:
    @settings(max_examples=50, deadline=None)
    @given(case=conv_cases(density=density))
    def check(case: ConvCase) -> None:
        assert np.array_equal(by_c(c, case, "conv2d_sparse_bitmap_s8"), case.expected())
        assert np.array_equal(by_c(c, case, "conv2d_sparse_planar_s8"), case.expected())

    check()


@pytest.mark.parametrize("density", [0.02, 0.3])
def test_block_kernel_agrees(c: ctypes.CDLL, density: float) -> None:
    @settings(max_examples=80, deadline=None)
    @given(case=conv_cases(density=density), block=st.sampled_from(BLOCKS))
    def check(case: ConvCase, block: tuple[int, int]) -> None:
        assert np.array_equal(by_c(c, case, "conv2d_sparse_block_s8", block), case.expected())

    check()


@pytest.mark.parametrize("block", [(4, 4), (4, 6), (4, 9)])
def test_blocks_four_wide_agree(c: ctypes.CDLL, block: tuple[int, int]) -> None:
    """Where blocks are four values wide and channels fill them, four output channels are computed at a time."""

    @settings(max_examples=40, deadline=None)
    @given(case=conv_cases(density=0.3, channels=st.sampled_from([4, 8, 36])))
    def check(case: ConvCase) -> None:
        assert np.array_equal(by_c(c, case, "conv2d_sparse_block_s8", block), case.expected())

    check()
