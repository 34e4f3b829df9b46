"""Two factors of a 1×1 kernel are the Eckart–Young optimum in whitened coordinates."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.decompose.svd import follow, regression_on_inputs, svd
from tests.decompose.cases import identity_metric, kernel_of, metric_of, seeds

channels = st.tuples(st.integers(1, 9), st.integers(1, 9))


@given(channels, seeds)
@settings(max_examples=30, deadline=None)
def test_eckart_young(channels: tuple[int, int], seed: int) -> None:
    """½ Σ_{k > r} s_k² of Σ^½ K Γ^½ is the least that rank r can lose."""
    shape = (1, 1, *channels)
    metric, kernel = metric_of(shape, seed), kernel_of(shape, seed)
    whitened = scipy.linalg.cholesky(metric.sigma) @ kernel[0, 0] @ scipy.linalg.sqrtm(metric.gamma)
    singular = np.linalg.svd(whitened, compute_uv=False)
    for rank in range(1, min(channels) + 1):
        least = 0.5 * float(np.sum(singular[rank:] ** 2))
        close = pytest.approx(least, rel=1e-3, abs=2e-4 * metric.loss(kernel))
        assert metric.loss(kernel - svd(kernel, metric, rank).reconstruct()) == close
        assert regression_on_inputs(metric)(kernel).losses[rank] == close


def test_without_a_metric_it_is_the_truncated_svd() -> None:
    shape = (1, 1, 6, 5)
    kernel = kernel_of(shape)
    left, singular, right = np.linalg.svd(kernel[0, 0])
    expected = (left[:, :3] * singular[:3]) @ right[:3]
    np.testing.assert_allclose(svd(kernel, identity_metric(shape), 3).reconstruct()[0, 0], expected, atol=1e-6)


def test_shapes_and_roles() -> None:
    shape = (1, 1, 6, 5)
    factors = svd(kernel_of(shape), metric_of(shape), 2)
    assert [(role, kernel.shape) for role, kernel in factors.chain] == [("first", (1, 1, 6, 2)), ("last", (1, 1, 2, 5))]


@given(st.integers(3, 9), st.integers(3, 9), seeds)
@settings(max_examples=30, deadline=None)
def test_following_starts_at_the_optimum_and_loses_no_more_with_every_call(c_in: int, c_out: int, seed: int) -> None:
    """Calls for one kernel are steps of an alternating minimisation, from the optimum of another."""
    shape = (1, 1, c_in, c_out)
    metric, start, end = metric_of(shape, seed), kernel_of(shape, seed), kernel_of(shape, seed + 1)
    following = follow(start, metric, 2)
    scale = 2e-4 * metric.loss(start)
    best = metric.loss(start - svd(start, metric, 2).reconstruct())
    assert metric.loss(start[0, 0] - following(start[0, 0])) == pytest.approx(best, rel=1e-3, abs=scale)
    losses = [metric.loss(end[0, 0] - following(end[0, 0])) for _ in range(60)]
    slack = 2e-4 * metric.loss(end)
    assert all(later <= earlier + slack for earlier, later in pairwise(losses))
    assert losses[-1] < 0.5 * (losses[0] + metric.loss(end - svd(end, metric, 2).reconstruct())) + slack
