"""The x86 path behind KERNELS_SIMD gives the portable kernels' bytes (the Arm paths: test_c_board)."""

from __future__ import annotations

import ctypes
import platform

import numpy as np
import pytest
from hypothesis import given, settings

from tests.kernels.clib import COMPILER, Kept, buffer, compile_library
from tests.kernels.conv_case import ConvCase, conv_cases, scratch_of

X86 = platform.machine() in ("x86_64", "AMD64")


@pytest.fixture(scope="module")
def simd(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if COMPILER is None or not X86:
        pytest.skip("needs a C compiler for an x86 processor")
    return compile_library(tmp_path_factory.mktemp("simd"), ("-DKERNELS_SIMD=1", "-msse4.1"))


@pytest.mark.parametrize("kernel", ["conv2d_dense_s8", "conv2d_1x1_s8", "conv2d_sparse_block_s8"])
def test_same_bytes(c: ctypes.CDLL, simd: ctypes.CDLL, kernel: str) -> None:
    @settings(max_examples=40, deadline=None)
    @given(case=conv_cases(pointwise=kernel == "conv2d_1x1_s8", density=0.5))
    def check(case: ConvCase) -> None:
        outputs = []
        for library in (c, simd):
            kept = Kept()
            out = np.zeros((*case.window.out, case.c_out), np.int8)
            struct = case.struct(library, kernel, kept, (8, 2))
            scratch = scratch_of(case)
            library.conv2d_rows_s8(ctypes.byref(struct), buffer(case.x), buffer(scratch), buffer(out))
            outputs.append(out)
        assert np.array_equal(*outputs)

    check()
