"""The metric is the quadratic form that its docstring says, and usable whatever the samples were."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings

from compiler.decompose.metric import DAMPING, Metric, damped, symmetric_roots
from tests.decompose.cases import Shape, covariance, kernel_of, metric_of, seeds, shapes


@given(shapes, seeds)
@settings(max_examples=30, deadline=None)
def test_loss_is_the_kronecker_quadratic_form(shape: Shape, seed: int) -> None:
    metric, delta = metric_of(shape, seed), kernel_of(shape, seed)
    vector = delta.reshape(-1)
    curvature = np.kron(metric.sigma, metric.gamma)
    assert metric.loss(delta) == pytest.approx(0.5 * vector @ curvature @ vector, rel=1e-9)
    assert metric.loss(delta.reshape(-1, shape[3])) == metric.loss(delta)


def test_loss_is_half_the_mean_squared_change_that_the_output_feels() -> None:
    """From the definition: patches a, probes g, E[½ (gᵀ Δᵀ a)²] for independent a and g."""
    generator = np.random.default_rng(0)
    patches, probes = generator.normal(size=(50, 12)), generator.normal(size=(40, 5))
    delta = generator.normal(size=(2, 2, 3, 5))
    felt = patches @ delta.reshape(12, 5) @ probes.T
    metric = Metric(patches.T @ patches / 50, probes.T @ probes / 40)
    assert metric.loss(delta) == pytest.approx(0.5 * np.mean(felt**2))


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_roots(seed: int) -> None:
    matrix = damped(covariance(6, seed))
    root, inverse = symmetric_roots(matrix)
    np.testing.assert_allclose(root @ root, matrix, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(root @ inverse, np.eye(6), atol=1e-8)
    np.testing.assert_array_equal(Metric(np.eye(1), matrix).gamma_roots[0], root)


def test_what_removing_one_weight_costs() -> None:
    """Alone among the living, and with all others free to adjust: the extremes of the surgeon's divisor."""
    metric = metric_of((1, 1, 5, 3))
    curvature = np.kron(metric.sigma, metric.gamma)
    np.testing.assert_allclose(metric.curvature.reshape(-1), np.diag(curvature))
    np.testing.assert_allclose(metric.surgeon.reshape(-1), np.diag(np.linalg.inv(curvature)))


def test_channel_covariance_averages_over_kernel_positions() -> None:
    metric = metric_of((3, 2, 4, 5))
    blocks = [metric.sigma[4 * p : 4 * p + 4, 4 * p : 4 * p + 4] for p in range(6)]
    np.testing.assert_allclose(metric.channel_covariance(4), np.mean(blocks, axis=0))


def test_damping_is_a_share_of_the_mean_diagonal() -> None:
    matrix = np.diag([1.0, 3.0])
    np.testing.assert_allclose(damped(matrix), np.diag([1.0, 3.0]) + 2 * DAMPING * np.eye(2))
    np.testing.assert_allclose(damped(np.array([[1.0, 4.0], [0.0, 9.0]]))[0, 1], 2.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_damped_is_positive_definite_whatever_the_samples(dtype: type) -> None:
    few_rows = covariance(20, 0, rows=3)
    # What float32 leaves of E[aaᵀ] − μμᵀ where the mean is a thousand times the spread: eigenvalues below zero.
    cancelled = covariance(20, 1) - 0.05 * np.eye(20)
    for matrix in (np.zeros((20, 20)), few_rows, cancelled, 1e-12 * few_rows, np.zeros((1, 1))):
        result = damped(matrix.astype(dtype))
        assert result.dtype == dtype
        scipy.linalg.cholesky(result)
        least = scipy.linalg.eigvalsh(result.astype(np.float64))[0]
        assert least >= 0.5 * DAMPING * np.trace(result) / 20 / (1 + DAMPING)
