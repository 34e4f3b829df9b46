"""Pruning: the support has the size that was asked for, its values are optimal, and no step loses."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.decompose.metric import Metric, damped
from compiler.sparsity.prune import Pruner
from compiler.sparsity.structures import STRUCTURES
from tests.decompose.cases import kernel_of, metric_of, seeds

SHAPE = (3, 3, 4, 6)
structures = st.sampled_from([("unstructured", None), ("filter", None), ("channel", None), ("block", (2, 2))])


def pruner_of(structure: tuple[str, tuple[int, int] | None], seed: int = 0) -> Pruner:
    name, block = structure
    return Pruner(kernel_of(SHAPE, seed), metric_of(SHAPE, seed), STRUCTURES[name](SHAPE, block))


@given(structures, seeds)
@settings(max_examples=20, deadline=None)
def test_the_support_is_what_was_kept(structure: tuple[str, tuple[int, int] | None], seed: int) -> None:
    pruner = pruner_of(structure, seed)
    kept = sorted({1, pruner.groups // 3 or 1, pruner.groups // 2, pruner.groups})
    descent = pruner.descend([*kept, 0, pruner.groups + 1])
    assert sorted(descent) == kept
    for count, sparse in descent.items():
        for found in (sparse, pruner.exchange(sparse, rounds=2)):
            assert np.count_nonzero(found.alive) == count
            assert np.all(found.values[~found.alive[pruner.group_of]] == 0)
            assert len(np.unique(pruner.group_of[found.values != 0])) == count
            assert found.loss == pytest.approx(pruner.metric.loss(pruner.target - found.values), rel=1e-9)


@given(structures, seeds)
@settings(max_examples=20, deadline=None)
def test_refitted_values_are_optimal_on_their_support(structure: tuple[str, tuple[int, int] | None], seed: int) -> None:
    """Their loss is that of the normal equations of the support, solved directly."""
    pruner = pruner_of(structure, seed)
    alive = np.zeros(pruner.groups, bool)
    alive[np.random.default_rng(seed).permutation(pruner.groups)[: max(1, pruner.groups // 3)]] = True
    values = pruner.refit(np.zeros_like(pruner.target), alive, steps=400)
    support = np.flatnonzero(alive[pruner.group_of])
    hessian = np.kron(pruner.metric.sigma, pruner.metric.gamma)[np.ix_(support, support)]
    best = np.zeros(pruner.target.size)
    best[support] = np.linalg.solve(hessian, pruner.right_side.ravel()[support])
    assert not np.any(values.ravel()[best == 0])
    lowest = pruner.metric.loss(pruner.target - best.reshape(pruner.target.shape))
    assert pruner.metric.loss(pruner.target - values) == pytest.approx(lowest, rel=1e-6)


@given(structures, seeds, st.integers(1, 12))
@settings(max_examples=20, deadline=None)
def test_more_refitting_never_loses(structure: tuple[str, tuple[int, int] | None], seed: int, steps: int) -> None:
    pruner = pruner_of(structure, seed)
    sparse = pruner.descend([max(1, pruner.groups // 3)])[max(1, pruner.groups // 3)]
    refitted = pruner.refit(sparse.values, sparse.alive, steps)
    assert pruner.metric.loss(pruner.target - refitted) <= sparse.loss * (1 + 1e-9)


@given(structures, seeds)
@settings(max_examples=20, deadline=None)
def test_fewer_groups_lose_more(structure: tuple[str, tuple[int, int] | None], seed: int) -> None:
    """A descent's supports are nested, so with values that have settled its losses are ordered."""
    pruner = pruner_of(structure, seed)
    kept = sorted({max(1, round(share * pruner.groups)) for share in (0.05, 0.2, 0.4, 0.6, 0.8, 1.0)})
    descent = pruner.descend(kept, steps=100)
    losses = [descent[count].loss for count in kept]
    assert losses[-1] == 0.0
    assert all(more > less for more, less in itertools.pairwise(losses))


@given(structures, seeds, st.floats(0.05, 1.0))
@settings(max_examples=20, deadline=None)
def test_exchanges_never_lose(structure: tuple[str, tuple[int, int] | None], seed: int, share: float) -> None:
    pruner = pruner_of(structure, seed)
    kept = max(1, round(share * pruner.groups))
    start = pruner.descend([kept], steps=100)[kept]  # settled, so that only a better support is an improvement
    assert pruner.exchange(start).loss <= start.loss


def test_exchanges_help() -> None:
    """A support of the least important weights is left behind."""
    pruner = pruner_of(("unstructured", None))
    best = pruner.descend([40])[40]
    alive = np.zeros(pruner.groups, bool)
    alive[np.argsort(pruner.pool(pruner.target**2 * pruner.saliency_weight))[:40]] = True
    values = pruner.refit(np.zeros_like(pruner.target), alive, 20)
    worst = type(best)(values, alive, pruner.metric.loss(pruner.target - values))
    polished = pruner.exchange(worst, rounds=30)
    assert polished.loss < 0.5 * worst.loss
    assert polished.loss < 1.5 * best.loss


@given(seeds, st.integers(1, 215))
@settings(max_examples=20, deadline=None)
def test_where_nothing_is_correlated_the_largest_weights_are_kept(seed: int, kept: int) -> None:
    """With diagonal Σ and Γ the optimum is known: the greatest Σ_ii Γ_jj K²_ij, at their own values."""
    generator = np.random.default_rng(seed)
    sigma, gamma = np.diag(generator.uniform(0.1, 3.0, 36)), np.diag(generator.uniform(0.1, 3.0, 6))
    kernel = kernel_of(SHAPE, seed)
    pruner = Pruner(kernel, Metric(sigma, gamma), STRUCTURES["unstructured"](SHAPE))
    sparse = pruner.descend([kept])[kept]
    importance = np.diag(sigma)[:, None] * np.diag(gamma) * kernel.reshape(36, 6) ** 2
    threshold = np.sort(importance.ravel())[-kept]
    np.testing.assert_allclose(sparse.values, np.where(importance >= threshold, kernel.reshape(36, 6), 0.0))


def test_near_the_best_of_all_supports() -> None:
    """Against every choice of three of ten weights, each refitted exactly: nearly found."""
    shape = (1, 1, 5, 2)
    excess = []
    for seed in range(20):
        metric, kernel = metric_of(shape, seed), kernel_of(shape, seed)
        curvature = np.kron(metric.sigma, metric.gamma)
        right_side = curvature @ kernel.reshape(-1)
        optimum = np.inf
        for support in itertools.combinations(range(10), 3):
            index, values = list(support), np.zeros(10)
            values[index] = np.linalg.solve(curvature[np.ix_(index, index)], right_side[index])
            optimum = min(optimum, metric.loss(kernel - values.reshape(shape)))
        pruner = Pruner(kernel, metric, STRUCTURES["unstructured"](shape))
        found = pruner.exchange(pruner.descend([3], steps=20)[3], steps=20)
        assert found.loss >= optimum * (1 - 1e-9)
        excess.append((found.loss - optimum) / metric.loss(kernel))
    assert np.median(excess) < 1e-3
    assert np.mean(excess) < 0.03


def test_the_metric_matters() -> None:
    """Chosen and refitted in the metric, a third of the weights lose far less than the largest third."""
    pruner = pruner_of(("unstructured", None))
    kept = pruner.groups // 3
    flat = np.abs(pruner.target)
    magnitude = np.where(flat >= np.sort(flat.ravel())[-kept], pruner.target, 0.0)
    assert pruner.descend([kept])[kept].loss < 0.2 * pruner.metric.loss(pruner.target - magnitude)


def test_a_new_target_is_aimed_at() -> None:
    pruner = pruner_of(("unstructured", None))
    other = kernel_of(SHAPE, seed=5)
    fresh = Pruner(other, pruner.metric, pruner.group_of)
    pruner.aim(other)
    np.testing.assert_array_equal(pruner.descend([20])[20].values, fresh.descend([20])[20].values)


def test_beside_answers_each_cut() -> None:
    """With a chain that can take half of what the branch leaves, the loss falls below the branch's own."""
    alone = pruner_of(("unstructured", None))
    kernel = alone.target.copy()
    beside = alone.descend([20], beside=lambda values: kernel - (kernel - values) / 2)[20]
    assert beside.loss < pruner_of(("unstructured", None)).descend([20])[20].loss


def test_float32_inverse_curvatures_stay_positive() -> None:
    """The most ill-conditioned Σ that damping lets through: one direction, shared by all channels, rules."""
    d = 600
    sigma = damped(np.ones((d, d), np.float32))
    shape = (1, 1, d, 2)
    pruner = Pruner(
        kernel_of(shape, dtype=np.float32),
        Metric(sigma, np.eye(2, dtype=np.float32)),
        STRUCTURES["unstructured"](shape),
    )
    exact = np.diag(np.linalg.inv(sigma.astype(np.float64)))
    np.testing.assert_allclose(pruner.saliency_weight[:, 0], np.sqrt(np.diag(sigma) / exact), rtol=1e-2)
