"""Metrics and kernels with what real layers have and what only broken ones have."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from compiler.decompose.metric import Metric, damped

Shape = tuple[int, int, int, int]

shapes = st.tuples(st.sampled_from([1, 2, 3]), st.sampled_from([1, 3]), st.integers(1, 5), st.integers(1, 6))
seeds = st.integers(0, 10_000)


def covariance(size: int, seed: int, rows: int | None = None) -> np.ndarray:
    """Of `rows` correlated samples with scales over two decades; rank-deficient where rows < size."""
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(size, size)) * np.geomspace(1.0, 0.05, size)
    samples = generator.normal(size=(rows or 4 * size, size)) @ mixing.T
    return samples.T @ samples / len(samples)


def metric_of(shape: Shape, seed: int = 0, dtype: type = np.float64) -> Metric:
    k_h, k_w, c_in, c_out = shape
    sigma, gamma = covariance(k_h * k_w * c_in, seed), covariance(c_out, seed + 1)
    return Metric(damped(sigma).astype(dtype), damped(gamma).astype(dtype))


def identity_metric(shape: Shape) -> Metric:
    k_h, k_w, c_in, c_out = shape
    return Metric(np.eye(k_h * k_w * c_in), np.eye(c_out))


def kernel_of(shape: Shape, seed: int = 0, dtype: type = np.float64) -> np.ndarray:
    return np.random.default_rng(seed + 2).normal(size=shape).astype(dtype)


def relative_loss(metric: Metric, kernel: np.ndarray, approximation: np.ndarray) -> float:
    """Loss of the approximation as a share of that of no kernel at all."""
    return metric.loss(kernel - approximation) / metric.loss(kernel)
