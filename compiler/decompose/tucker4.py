"""The Tucker core split once more: first 1×1, vertical k_h×1, horizontal 1×k_w, last 1×1.

    K_{yx} ≈ U A_y B_x V      A_y (r_in × r_mid), B_x (r_mid × r_out)

U is tucker2's. The core's best G Γ^½-orthonormal completion is regressed on U, unfolded to (k_h·r_in) × (k_w·c_out)
in the coordinates in which its error counts (C_U^½ on the input side), and its leading left singular vectors give A.
With U and A fixed, first and vertical together are one linear map of the patch, so all of (B, V), for every r_out at
once, is again the exact reduced-rank regression of `tucker2`. Spatial splitting: Jaderberg, Vedaldi & Zisserman,
"Speeding up convolutional neural networks with low rank expansions", 2014.
"""

from __future__ import annotations

import numpy as np

from compiler.decompose.factors import Factors
from compiler.decompose.metric import Metric, symmetric_roots
from compiler.decompose.regression import Regression, regress
from compiler.decompose.tucker2 import RegressionOnU, input_basis, regress_on


def vertical_basis(on_u: RegressionOnU, kernel_shape: tuple[int, ...]) -> np.ndarray:
    """A for every r_mid: (k_h, r_in, k_h·r_in at most), the most important column first."""
    k_h, k_w, _, _ = kernel_shape
    r_in = on_u.first.shape[1]
    core = on_u.regression.coefficients(len(on_u.regression.singular)).reshape(k_h, k_w, r_in, -1)
    lower = on_u.regression.lower
    blocks = (lower @ lower.T).reshape(k_h * k_w, r_in, k_h * k_w, r_in)
    root, inverse_root = symmetric_roots(np.einsum("pipj->ij", blocks) / (k_h * k_w))
    unfolded = np.moveaxis(root @ core, 2, 1).reshape(k_h * r_in, -1)
    left, _, _ = np.linalg.svd(unfolded, full_matrices=False)
    return inverse_root @ left.reshape(k_h, r_in, -1)


def regress_on_vertical(first: np.ndarray, vertical: np.ndarray, kernel: np.ndarray, metric: Metric) -> Regression:
    """The best (B, V) of every r_out given U (c_in, r_in) and A (k_h, r_in, r_mid)."""
    k_w = kernel.shape[1]
    column = first @ vertical
    features = np.einsum("yim,xz->yxizm", column, np.eye(k_w, dtype=column.dtype))
    features = features.reshape(len(metric.sigma), k_w * vertical.shape[2])
    mapped = metric.sigma @ features
    return regress(features.T @ mapped, mapped.T, kernel, metric)


def assemble4(
    first: np.ndarray, vertical: np.ndarray, fit: Regression, kernel_shape: tuple[int, ...], metric: Metric, r_out: int
) -> Factors:
    """The chain of (U, A) and a regression cut at r_out; full-rank sides are absorbed."""
    _, k_w, c_in, c_out = kernel_shape
    horizontal = fit.coefficients(r_out).reshape(1, k_w, vertical.shape[2], r_out)
    last = fit.right[:r_out] @ metric.gamma_roots[1]
    chain: list[tuple[str, np.ndarray]] = []
    if first.shape[1] < c_in:
        chain += [("first", first[None, None]), ("vertical", vertical[:, None])]
    else:
        chain.append(("vertical", first @ vertical[:, None]))
    if r_out < c_out:
        chain += [("horizontal", horizontal), ("last", last[None, None])]
    else:
        chain.append(("horizontal", horizontal @ last))
    return Factors(tuple(chain))


def tucker4(kernel: np.ndarray, metric: Metric, r_in: int, r_mid: int, r_out: int) -> Factors:
    """Chain of four of an HWIO kernel; r_in = c_in or r_out = c_out absorbs that side's 1×1."""

    first = input_basis(kernel, metric)[:, :r_in]
    vertical = vertical_basis(regress_on(first, kernel, metric), kernel.shape)[:, :, :r_mid]
    fit = regress_on_vertical(first, vertical, kernel, metric)
    return assemble4(first, vertical, fit, kernel.shape, metric, r_out)
