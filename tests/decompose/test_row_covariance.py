"""Σ kept as rows behaves as the matrix would: in products, inverses, metrics and decompositions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.decompose.equalise import equalise
from compiler.decompose.metric import Metric, damped
from compiler.decompose.row_covariance import RowCovariance
from compiler.decompose.svd import svd
from compiler.sparsity.prune import Pruner
from compiler.sparsity.structures import unstructured
from tests.decompose.cases import covariance, seeds

levels = st.floats(1e-3, 10.0)


def pair(seed: int, level: float, n: int = 7, d: int = 12) -> tuple[RowCovariance, np.ndarray]:
    """The rows, and the matrix that they stand for."""
    rows = np.random.default_rng(seed).normal(size=(n, d)) * np.geomspace(1.0, 0.1, d)
    return RowCovariance(rows, level), rows.T @ rows + level * np.eye(d)


@given(seeds, levels)
def test_products_and_inverses_are_those_of_the_matrix(seed: int, level: float) -> None:
    thin, matrix = pair(seed, level)
    columns = np.random.default_rng(seed + 1).normal(size=(12, 3))
    np.testing.assert_allclose(thin @ columns, matrix @ columns, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(thin.solve(columns), np.linalg.solve(matrix, columns), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(thin.diagonal(), np.diag(matrix))
    np.testing.assert_allclose(thin.inverse_diagonal(), np.diag(np.linalg.inv(matrix)), rtol=1e-6)
    np.testing.assert_allclose(thin.mean_variance(), np.trace(matrix) / 12)
    np.testing.assert_allclose(thin.plus(0.5) @ columns, (matrix + 0.5 * np.eye(12)) @ columns)


@given(seeds)
def test_a_metric_of_rows_measures_and_damps_alike(seed: int) -> None:
    thin, matrix = pair(seed, 0.0)
    gamma = damped(covariance(4, seed))
    ours, whole = Metric(damped(thin), gamma), Metric(damped(matrix), gamma)
    kernel = np.random.default_rng(seed).normal(size=(1, 1, 12, 4))
    assert ours.loss(kernel) == pytest.approx(whole.loss(kernel))
    np.testing.assert_allclose(ours.curvature, whole.curvature)
    np.testing.assert_allclose(ours.surgeon, whole.surgeon, rtol=1e-6)
    assert ours.product_macs == 2 * 7 * 12 * 4 + 12 * 4 * 4
    assert whole.product_macs == 12 * 12 * 4 + 12 * 4 * 4


@given(seeds, st.integers(1, 4))
def test_the_same_factors_and_support_come_out(seed: int, rank: int) -> None:
    thin, matrix = pair(seed, 0.0)
    gamma = damped(covariance(4, seed))
    ours, whole = Metric(damped(thin), gamma), Metric(damped(matrix), gamma)
    kernel = np.random.default_rng(seed).normal(size=(1, 1, 12, 4))
    factors, expected = svd(kernel, ours, rank), svd(kernel, whole, rank)
    np.testing.assert_allclose(factors.reconstruct(), expected.reconstruct(), atol=1e-5)
    louder = equalise(factors, ours.sigma)
    np.testing.assert_allclose(louder.reconstruct(), factors.reconstruct(), atol=1e-9)
    first = louder.chain[0][1].reshape(12, rank)
    np.testing.assert_allclose(np.diag(first.T @ (whole.sigma @ first)), 1.0, rtol=1e-6)
    groups = unstructured((1, 1, 12, 4))
    np.testing.assert_allclose(
        Pruner(kernel, ours, groups).descend([9])[9].values,
        Pruner(kernel, whole, groups).descend([9])[9].values,
        atol=1e-6,
    )
