"""Refit in order: each layer, front to back, learns to undo what the layers before it lost.

A compressed layer no longer sees the original's patches a but those of the compressed prefix, a'. The kernel that
comes nearest to the original layer's output from there is the regression

    W = (Σ' + λI)⁻¹ (E[(a' − μ')(a − μ)ᵀ] + λI) K,     b' = E[h] − Ŵᵀ μ'        Σ' = Cov(a'),  h = Kᵀa + b

and W, not K, is what the factors are fitted to, in the metric (Σ', Γ). The bias makes every channel's mean on the
inputs that of the original. Layer-wise reconstruction from the compressed prefix: He, Zhang & Sun, "Channel pruning
for accelerating very deep neural networks", 2017; Zhang et al., "Accelerating very deep convolutional networks", 2016.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import scipy.linalg

from compiler.datafree.moments import centred_rows
from compiler.datafree.patches import choose_rows, is_wide, patch_size, patches
from compiler.datafree.walk import walk
from compiler.decompose.factors import Factors
from compiler.decompose.fit import fit
from compiler.decompose.metric import Metric, damped
from compiler.decompose.row_covariance import RowCovariance
from compiler.decompose.shrinkage import chance, fourth_moment, shrunk
from compiler.frontend.graph import Call
from compiler.surgery.set_kernels import kernel_of
from compiler.surgery.streams import Pair, pairs, side
from compiler.types import Choice, ConvSite, Inventory

SHRINK = 0.2  # λ as a share of the mean diagonal of Σ'
CHUNK = 32768

Fitted = dict[str, tuple[Factors, np.ndarray]]


def refit(
    model: keras.Model,
    inputs: Sequence[np.ndarray],
    inventory: Inventory,
    choices: Mapping[str, Choice],
    gamma: Mapping[str, np.ndarray],
    *,
    seed: int,
    start: Mapping[str, tuple[Factors, np.ndarray]] = MappingProxyType({}),
    shrink: float = SHRINK,
    advance: Callable[[], None] = lambda: None,
) -> Fitted:
    """Factors and bias of every site, dense ones included (their kernels are refitted too).

    `model` is the biased normal form and is not changed; `inputs` one array (n, …) per model input; `gamma` Γ by site.
    `start`: sites as fitted to the original's kernels, from which their fits may go on.
    """
    sites = {site.name: site for site in inventory.sites}
    fitted: Fitted = {}

    def visit(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        original_args, original_kwargs = side(0, args, kwargs)
        prefix_args, prefix_kwargs = side(1, args, kwargs)
        output = call.operation(*original_args, **original_kwargs)
        site = sites.get(call.name)
        if site is None:
            return pairs(output, call.operation(*prefix_args, **prefix_kwargs))
        kernel, bias = kernel_of(model, site.name)
        if site.name not in fitted:  # a shared layer is fitted to what its first call sees
            x, x_prefix = np.asarray(original_args[0]), np.asarray(prefix_args[0])
            begun = start[site.name][0] if site.name in start else None
            fitted[site.name] = refit_site(
                site, kernel, bias, x, x_prefix, choices[site.name], gamma[site.name], begun, seed=seed, shrink=shrink
            )
            advance()
        factors, new_bias = fitted[site.name]
        layer = call.operation
        layer.set_weights([factors.reconstruct().reshape(layer.kernel.shape), new_bias])
        compressed = layer(*prefix_args, **prefix_kwargs)
        layer.set_weights([kernel.reshape(layer.kernel.shape), bias])
        return pairs(output, compressed)

    walk(model, [Pair((x, x)) for x in map(keras.ops.convert_to_tensor, inputs)], visit)
    return fitted


def refit_site(
    site: ConvSite,
    kernel: np.ndarray,
    bias: np.ndarray,
    x: np.ndarray,
    x_prefix: np.ndarray,
    choice: Choice,
    gamma: np.ndarray,
    start: Factors | None,
    *,
    seed: int,
    shrink: float,
) -> tuple[Factors, np.ndarray]:
    """Factors and bias of one site that sees `x_prefix` (NHWC) where the original saw `x`."""
    flat = kernel.reshape(-1, site.c_out)
    regress = regress_wide if is_wide(site) else regress_narrow
    mean, mean_prefix, target, sigma = regress(flat, x, x_prefix, site, seed, shrink)
    factors = fit(target.reshape(kernel.shape).astype(np.float32), Metric(sigma, damped(gamma)), choice, start=start)
    new_bias = bias + mean @ flat - mean_prefix @ factors.reconstruct().reshape(flat.shape)
    return factors, new_bias.astype(np.float32)


def regress_narrow(
    flat: np.ndarray, x: np.ndarray, x_prefix: np.ndarray, site: ConvSite, seed: int, shrink: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(μ, μ', W, damped Σ') for a kernel `flat` (d, c_out)."""
    mean, mean_prefix, cross, covariance, share = joint_moments(x, x_prefix, site, seed)
    level = shrink * float(np.trace(covariance)) / len(covariance) + 1e-12
    ridge = level * np.eye(len(covariance), dtype=np.float32)
    target = scipy.linalg.solve(covariance + ridge, (cross + ridge) @ flat, assume_a="pos")
    return mean, mean_prefix, target, damped(shrunk(covariance, share))


def regress_wide(
    flat: np.ndarray, x: np.ndarray, x_prefix: np.ndarray, site: ConvSite, seed: int, shrink: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, RowCovariance]:
    """The same without anything of size d×d."""
    chosen = choose_rows(x, site, seed)
    mean, rows = centred_rows(patches(x, site, chosen))
    mean_prefix, rows_prefix = centred_rows(patches(x_prefix, site, chosen))
    sigma = RowCovariance(rows_prefix)
    level = shrink * sigma.mean_variance() + 1e-12
    target = sigma.plus(level).solve(rows_prefix.T @ (rows @ flat) + np.float32(level) * flat)
    share = chance(sigma, fourth_moment(rows_prefix) * len(rows_prefix) ** 2, len(rows_prefix))
    return mean, mean_prefix, target, damped(shrunk(sigma, share))


def joint_moments(
    x: np.ndarray, x_prefix: np.ndarray, site: ConvSite, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """(μ, μ', E[(a' − μ')(a − μ)ᵀ], Σ') over the same patches of both, and how much of Σ' is chance."""
    chosen = choose_rows(x, site, seed)
    d = patch_size(site)
    total, total_prefix = np.zeros(d), np.zeros(d)
    cross, outer, fourth = np.zeros((d, d), np.float32), np.zeros((d, d), np.float32), 0.0
    origin, origin_prefix = np.zeros(d, np.float32), np.zeros(d, np.float32)
    for start in range(0, len(chosen), CHUNK):
        rows = chosen[start : start + CHUNK]
        a, a_prefix = patches(x, site, rows), patches(x_prefix, site, rows)
        if start == 0:  # sums about a point near the mean: see `Sums` of moments
            origin, origin_prefix = a.mean(0), a_prefix.mean(0)
        a -= origin
        a_prefix -= origin_prefix
        total += a.sum(0, dtype=np.float64)
        total_prefix += a_prefix.sum(0, dtype=np.float64)
        cross += a_prefix.T @ a
        outer += a_prefix.T @ a_prefix
        fourth += fourth_moment(a_prefix)
    n = len(chosen)
    off, off_prefix = total / n, total_prefix / n
    cross = (cross / n - np.outer(off_prefix, off)).astype(np.float32)
    covariance = (outer / n - np.outer(off_prefix, off_prefix)).astype(np.float32)
    means = (origin + off).astype(np.float32), (origin_prefix + off_prefix).astype(np.float32)
    return *means, cross, covariance, chance(covariance, fourth, n)
