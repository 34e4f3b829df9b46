"""A kernel's output may run into its input exactly as far as the C target's arena lets it."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from compiler.backend.targets.c.overlap import row_distance
from tests.kernels.clib import Kept, Pool, buffer
from tests.kernels.conv_case import ConvCase, conv_cases, scratch_of
from tests.kernels.stream_case import StreamCase, conv_node, stream_cases


def overlapped(x: np.ndarray, out_bytes: int, distance: int) -> tuple[np.ndarray, np.ndarray]:
    """(x in memory, memory of the output) with x `distance` bytes behind the output's start."""
    start = max(0, -distance)  # of the output
    memory = np.zeros(max(start + out_bytes, start + distance + x.size), np.int8)
    inside = memory[start + distance : start + distance + x.size]
    inside[:] = x.ravel()
    return inside, memory[start : start + out_bytes]


@pytest.mark.parametrize(
    ("kernel", "options"),
    [
        ("conv2d_dense_s8", {}),
        ("conv2d_1x1_s8", {"pointwise": True}),
        ("depthwise_s8", {"depthwise": True}),
        ("conv2d_coded_s8", {"four_bits": True}),
        ("conv2d_sparse_bitmap_s8", {"density": 0.3}),
        ("conv2d_sparse_planar_s8", {"density": 0.3}),
        ("conv2d_sparse_block_s8", {"density": 0.3}),
    ],
)
def test_output_may_run_into_the_input_up_to_the_distance(
    c: ctypes.CDLL, kernel: str, options: dict[str, object]
) -> None:
    broken_nearer = []

    @settings(max_examples=60, deadline=None)
    @given(case=conv_cases(**options))  # type: ignore[arg-type]
    def check(case: ConvCase) -> None:
        node = conv_node(case)
        distance = node.distance(0)
        assert distance is not None
        kept = Kept()
        struct, gap = case.struct(c, kernel, kept, (4, 2)), scratch_of(case)
        for nearer in (0, node.row_in):
            inside, out = overlapped(case.x, node.output_bytes, distance - nearer)
            c.conv2d_rows_s8(ctypes.byref(struct), buffer(inside), buffer(gap), buffer(out))
            equal = np.array_equal(out.reshape(case.expected().shape), case.expected())
            assert equal or nearer
            broken_nearer.append(bool(nearer) and not equal)

    check()
    assert any(broken_nearer), "a row nearer would do as well: the distance is too careful, or nothing was tested"


def test_pools_may_run_into_their_input(c: ctypes.CDLL) -> None:
    @settings(max_examples=40, deadline=None)
    @given(case=conv_cases(depthwise=True))
    def check(case: ConvCase) -> None:
        window = replace(case.window, dilation=(1, 1))
        if min(window.counts(*case.x.shape[:2]).ravel()) < 1:
            return
        h_in, w_in, channels = case.x.shape
        params = Pool(
            h_in=h_in,
            w_in=w_in,
            h_out=window.out[0],
            w_out=window.out[1],
            c=channels,
            k_h=window.kernel[0],
            k_w=window.kernel[1],
            stride_h=window.strides[0],
            stride_w=window.strides[1],
            pad_top=window.pad[0],
            pad_left=window.pad[1],
            min=-128,
            max=127,
        )
        row = window.out[1] * channels
        distance = row_distance(
            window.out[0], row, h_in, w_in * channels, lambda y: max(0, y * window.strides[0] - window.pad[0])
        )
        expected = np.zeros(window.out[0] * row, np.int8)
        c.max_pool_s8(ctypes.byref(params), buffer(case.x), buffer(expected))
        inside, out = overlapped(case.x, expected.size, distance)
        c.max_pool_s8(ctypes.byref(params), buffer(inside), buffer(out))
        assert np.array_equal(out, expected)

    check()


def test_streams_may_run_into_their_input(c: ctypes.CDLL) -> None:
    broken_nearer = []

    @settings(max_examples=200, deadline=None)
    @given(case=stream_cases())
    def check(case: StreamCase) -> None:
        node = case.node()
        distance = node.distance(0)
        assert distance is not None
        kept = Kept()
        params, gap = case.struct(c, kept), case.gap()
        scratch = np.zeros(max(1, node.scratch_bytes), np.int8)
        expected = case.expected().ravel()
        for nearer in (0, max(node.row_in, node.row_bytes(len(case.stages) - 1))):
            inside, out = overlapped(case.x, node.output_bytes, distance - nearer)
            c.stream_rows_s8(ctypes.byref(params), buffer(inside), buffer(scratch), buffer(gap), buffer(out))
            equal = np.array_equal(out, expected)
            assert equal or nearer
            broken_nearer.append(bool(nearer) and not equal)

    check()
    assert any(broken_nearer), "a row nearer would do as well: the distance is too careful, or nothing was tested"
