"""Input patches of a convolution as rows: the `a` of the metric.

Activations NHWC; a row is the flattened (k_h, k_w, c_in) window that one output position sees, in the order of an
HWIO kernel's first three axes, so that `rows @ kernel.reshape(-1, c_out)` is the convolution.
"""

from __future__ import annotations

import numpy as np

from compiler.decompose.row_covariance import WIDE
from compiler.types import ConvSite


def same_padding(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """TensorFlow's "same" padding (before, after) along one axis."""
    extent = (kernel - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


def patches(x: np.ndarray, site: ConvSite, choose: np.ndarray | None = None) -> np.ndarray:
    """Rows (n, k_h·k_w·c_in) of `x` (N, H, W, c_in; a Dense's input may have any rank, its last axis is c_in).

    `choose` holds flat indices into the N·H_out·W_out positions; None takes them all.
    """
    if site.kind == "dense":
        rows = x.reshape(-1, site.c_in)
        return rows if choose is None else rows[choose]
    (k_h, k_w), (s_h, s_w), (d_h, d_w) = site.kernel_size, site.strides, site.dilation
    if site.padding == "same":
        pad_h = same_padding(x.shape[1], k_h, s_h, d_h)
        pad_w = same_padding(x.shape[2], k_w, s_w, d_w)
        if pad_h != (0, 0) or pad_w != (0, 0):
            x = np.pad(x, ((0, 0), pad_h, pad_w, (0, 0)))
    n, height, width, channels = x.shape
    out_h = (height - (k_h - 1) * d_h - 1) // s_h + 1
    out_w = (width - (k_w - 1) * d_w - 1) // s_w + 1
    b, r, c, k = x.strides
    windows = np.lib.stride_tricks.as_strided(
        x,
        (n, out_h, out_w, k_h, k_w, channels),
        (b, r * s_h, c * s_w, r * d_h, c * d_w, k),
        writeable=False,
    )
    if choose is None:
        return windows.reshape(n * out_h * out_w, -1)
    image, position = np.divmod(choose, out_h * out_w)
    row, column = np.divmod(position, out_w)
    return windows[image, row, column].reshape(len(choose), -1)


MOST_ROWS = 65536  # patches of one tensor that statistics are taken over
ROWS_PER_FEATURE = 12  # and no more than so many for each of the d numbers of a patch, nor fewer than LEAST_ROWS
LEAST_ROWS = 16384
WIDE_ROWS = 1024  # where patches are too wide for a d×d matrix, so that the rows themselves are kept


def choose_rows(x: np.ndarray, site: ConvSite, seed: int) -> np.ndarray:
    """Flat indices of the patches that statistics use: all, or a fixed random choice where there are very many."""
    total = count_positions(x.shape, site)
    d = patch_size(site)
    limit = WIDE_ROWS if is_wide(site) else min(MOST_ROWS, max(LEAST_ROWS, ROWS_PER_FEATURE * d))
    return some_of(total, limit, seed)


def some_of(total: int, limit: int, seed: int) -> np.ndarray:
    """Indices of all of `total`, or of a fixed random `limit` of them, in order."""
    if total <= limit:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).choice(total, limit, replace=False))


def patch_size(site: ConvSite) -> int:
    """d: the numbers of one patch."""
    return site.kernel_size[0] * site.kernel_size[1] * site.c_in


def is_wide(site: ConvSite) -> bool:
    """Whether the rows stand in for the covariance of a site's patches."""
    return patch_size(site) > WIDE


def count_positions(shape: tuple[int, ...], site: ConvSite) -> int:
    """Number of output positions of a batch of inputs of `shape`."""
    if site.kind == "dense":
        return int(np.prod(shape[:-1]))
    positions = shape[0]
    for axis in (0, 1):
        size, stride = shape[axis + 1], site.strides[axis]
        extent = (site.kernel_size[axis] - 1) * site.dilation[axis] + 1
        positions *= -(-size // stride) if site.padding == "same" else (size - extent) // stride + 1
    return positions
