"""conv2d_hybrid_fused_s8 equals its stages run one after the other over whole maps, in just the scratch it claims."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings

from kernels.reference.hybrid import scratch_bytes
from tests.kernels.clib import Kept, buffer
from tests.kernels.hybrid_case import HybridCase, hybrid_cases

GUARD = 64


def by_c(c: ctypes.CDLL, case: HybridCase, sparse_kernel: str) -> np.ndarray:
    kept = Kept()
    params = case.struct(c, sparse_kernel, kept)
    scratch = np.full(case.scratch() + 2 * GUARD, 99, np.int8)
    end = case.chain[-1]
    out = np.zeros((*end.window.out, end.c_out), np.int8)
    inside = ctypes.c_void_p(scratch.ctypes.data + GUARD)
    c.conv2d_hybrid_fused_s8(ctypes.byref(params), buffer(case.x), inside, buffer(out))
    assert (scratch[:GUARD] == 99).all()
    assert (scratch[-GUARD:] == 99).all()
    return out


@pytest.mark.parametrize("sparse_kernel", ["conv2d_sparse_bitmap_s8", "conv2d_sparse_block_s8"])
def test_fused_equals_the_stages(c: ctypes.CDLL, sparse_kernel: str) -> None:
    @settings(max_examples=120, deadline=None)
    @given(case=hybrid_cases())
    def check(case: HybridCase) -> None:
        assert np.array_equal(by_c(c, case, sparse_kernel), case.expected())

    check()


def test_scratch_is_a_ring_and_rows_in_place_of_maps() -> None:
    # 32×32 with ranks 8 and 12, 3×3: two maps are 20480 bytes.
    assert scratch_bytes(ring=(32, 32, 8), span=3, rows=[(32, 12)], branch=(32, 16)) == 3 * 256 + 384 + 512
