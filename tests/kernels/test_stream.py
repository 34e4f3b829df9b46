"""stream_rows_s8 equals its stages run one after the other over whole maps, in just the rings that it is given."""

from __future__ import annotations

import ctypes

import numpy as np
from hypothesis import given, settings

from kernels.reference.stream import Rows, walk
from tests.kernels.clib import Kept, buffer
from tests.kernels.stream_case import StreamCase, stream_cases

GUARD = 64


def by_c(c: ctypes.CDLL, case: StreamCase) -> np.ndarray:
    kept, node = Kept(), case.node()
    params, gap = case.struct(c, kept), case.gap()
    scratch = np.full(node.scratch_bytes + 2 * GUARD, 99, np.int8)
    expected = case.expected()
    out = np.zeros_like(expected)
    inside = ctypes.c_void_p(scratch.ctypes.data + GUARD)
    c.stream_rows_s8(ctypes.byref(params), buffer(case.x), inside, buffer(gap), buffer(out))
    assert (scratch[:GUARD] == 99).all()
    assert (scratch[-GUARD:] == 99).all()
    return out


def test_streamed_equals_the_stages(c: ctypes.CDLL) -> None:
    @settings(max_examples=250, deadline=None)
    @given(case=stream_cases())
    def check(case: StreamCase) -> None:
        assert np.array_equal(by_c(c, case), case.expected())

    check()


def test_rings_are_no_larger_than_needed(c: ctypes.CDLL) -> None:
    """With a row less in any ring that has several, some result is another."""
    spoilt = []

    @settings(max_examples=80, deadline=None)
    @given(case=stream_cases())
    def check(case: StreamCase) -> None:
        kept, node = Kept(), case.node()
        expected = case.expected()
        for index, rows in enumerate(node.walk.rings):
            if rows > 1:
                params, gap = case.struct(c, kept), case.gap()
                params.stages[index].ring_rows -= 1
                out = np.zeros_like(expected)
                scratch = np.zeros(node.scratch_bytes, np.int8)
                c.stream_rows_s8(ctypes.byref(params), buffer(case.x), buffer(scratch), buffer(gap), buffer(out))
                spoilt.append(not np.array_equal(out, expected))

    check()
    assert len(spoilt) > 50
    assert np.mean(spoilt) > 0.6  # kernels of zeros and clamped outputs hide the rest


def test_a_layer_holds_a_ring_and_rows_in_place_of_maps() -> None:
    """first, core 3×3, last, beside them the branch, and their sum, 32 rows high."""
    point, three = Rows(32, (0,)), Rows(32, (0,), pad=1, span=3)
    core, last = Rows(32, (1,), pad=1, span=3), Rows(32, (2,))
    assert walk((point, core, last, three, Rows(32, (3, 4))), 32).rings == (3, 1, 1, 1, 0)


def test_a_block_holds_the_rows_that_its_skip_waits_for() -> None:
    """Two 3×3 and the sum with what the first reads: the input is still needed where the sum is."""
    conv = Rows(32, (0,), pad=1, span=3)
    found = walk((conv, Rows(32, (1,), pad=1, span=3), Rows(32, (2, 0))), 32)
    assert found.rings == (3, 1, 0)
    assert found.keeps[:3] == (0, 1, 2)
    assert found.keeps[-1] == 31


def test_a_ring_behind_strides_holds_its_readers_span_alone() -> None:
    wide = Rows(64, (0,), pad=1, span=3)
    assert walk((wide, Rows(32, (1,), 2, 0, 3), Rows(16, (2,), 2, 0, 3)), 64).rings == (3, 3, 0)
