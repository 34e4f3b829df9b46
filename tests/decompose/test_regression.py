"""Reduced-rank regression: its losses are those of its factors, and no other factors do better."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.decompose.metric import Metric
from compiler.decompose.regression import Regression, regress, thin_svd
from tests.decompose.cases import kernel_of, metric_of, seeds

RIDGED = 2e-4  # what RIDGE may cost in the weakest direction that damping leaves, of all that there is to explain


def regression(d: int, f: int, c_out: int, seed: int) -> tuple[Metric, np.ndarray, np.ndarray, Regression]:
    """A random orthonormal F (d, f), a kernel, and the regression of one on the other."""
    metric, kernel = metric_of((1, 1, d, c_out), seed), kernel_of((1, 1, d, c_out), seed).reshape(d, c_out)
    features = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, f)))[0]
    mapped = features.T @ metric.sigma
    return metric, kernel, features, regress(mapped @ features, mapped, kernel, metric)


def factors(fit: Regression, metric: Metric, rank: int) -> tuple[np.ndarray, np.ndarray]:
    return fit.coefficients(rank), fit.right[:rank] @ metric.gamma_roots[1]


sizes = st.tuples(st.integers(2, 8), st.integers(1, 8), st.integers(1, 8)).map(lambda s: (s[0], min(s[0], s[1]), s[2]))


@given(sizes, seeds)
@settings(max_examples=40, deadline=None)
def test_losses_are_those_of_the_factors(size: tuple[int, int, int], seed: int) -> None:
    metric, kernel, features, fit = regression(*size, seed)
    assert len(fit.losses) == size[2] + 1  # every rank up to c_out, also where fewer features make it superfluous
    assert fit.losses[0] == pytest.approx(metric.loss(kernel))
    assert np.all(np.diff(fit.losses) <= 1e-12 * fit.losses[0])
    for rank in range(1, len(fit.losses)):
        left, right = factors(fit, metric, rank)
        assert (left.shape, right.shape) == ((size[1], rank), (rank, size[2]))
        loss = metric.loss(kernel - features @ left @ right)
        assert loss == pytest.approx(fit.losses[rank], rel=1e-4, abs=RIDGED * fit.losses[0])


@given(sizes, seeds)
@settings(max_examples=25, deadline=None)
def test_no_other_factors_do_better(size: tuple[int, int, int], seed: int) -> None:
    metric, kernel, features, fit = regression(*size, seed)
    generator = np.random.default_rng(seed)
    for rank in range(1, min(size[1:]) + 1):
        left, right = factors(fit, metric, rank)
        best = metric.loss(kernel - features @ left @ right)
        for scale in (1e-3, 1e-1):
            for _ in range(4):
                other_left = left + scale * np.abs(left).max() * generator.normal(size=left.shape)
                other_right = right + scale * np.abs(right).max() * generator.normal(size=right.shape)
                other = metric.loss(kernel - features @ other_left @ other_right)
                assert other >= best - 1e-6 * metric.loss(kernel)


@given(sizes, seeds)
@settings(max_examples=25, deadline=None)
def test_full_rank_is_the_weighted_least_squares_solution(size: tuple[int, int, int], seed: int) -> None:
    metric, kernel, features, fit = regression(*size, seed)
    root = scipy.linalg.cholesky(metric.sigma)
    solution = np.linalg.lstsq(root @ features, root @ kernel, rcond=None)[0]
    assert fit.losses[-1] == pytest.approx(
        metric.loss(kernel - features @ solution), rel=1e-4, abs=1e-5 * fit.losses[0]
    )


@given(st.integers(1, 9), st.integers(1, 9), seeds)
@settings(max_examples=30, deadline=None)
def test_thin_svd_is_an_svd(rows: int, columns: int, seed: int) -> None:
    matrix = np.random.default_rng(seed).normal(size=(rows, columns))
    left, singular, right = thin_svd(matrix)
    np.testing.assert_allclose(singular, np.linalg.svd(matrix, compute_uv=False), rtol=1e-5, atol=1e-6 * singular[0])
    np.testing.assert_allclose(left * singular @ right, matrix, atol=1e-6)
    np.testing.assert_allclose(right @ right.T, np.eye(min(rows, columns)), atol=1e-10)


def test_thin_svd_of_zeros() -> None:
    left, singular, right = thin_svd(np.zeros((4, 3), np.float32))
    assert np.all(np.isfinite(left))
    assert np.all(np.isfinite(right))
    assert np.max(singular) < 1e-20
