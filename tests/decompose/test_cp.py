"""CP chains: exact where a kernel has so few components, no worse with more of them, and sane in any units."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings

from compiler.decompose.cp import RIDGE, Components, beginning, cp, cp_from, cp_ladder, polish, raised, step_of, whiten
from compiler.decompose.effort import Effort, effort_of
from compiler.decompose.metric import Metric
from compiler.decompose.tucker2 import tucker2
from tests.decompose.cases import Shape, identity_metric, kernel_of, metric_of, relative_loss, seeds, shapes

SHAPE = (3, 3, 6, 8)


def of_rank(shape: Shape, rank: int, seed: int = 0) -> np.ndarray:
    """A kernel with so many components."""
    k_h, k_w, c_in, c_out = shape
    generator = np.random.default_rng(seed)
    spatial = generator.normal(size=(k_h, k_w, rank))
    return np.einsum(
        "ir,yxr,ro->yxio", generator.normal(size=(c_in, rank)), spatial, generator.normal(size=(rank, c_out))
    )


def random_components(shape: Shape, rank: int, seed: int = 0) -> Components:
    k_h, k_w, c_in, c_out = shape
    generator = np.random.default_rng(seed)
    sizes = ((c_in, rank), (k_h * k_w, rank), (rank, c_out))
    return Components(*(generator.normal(size=size) for size in sizes))


@pytest.mark.parametrize("rank", [1, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_a_kernel_of_few_components_is_found(rank: int, seed: int) -> None:
    kernel, metric = of_rank(SHAPE, rank, seed), metric_of(SHAPE, seed)
    assert relative_loss(metric, kernel, cp(kernel, metric, rank).reconstruct()) < 3e-3


@given(shapes, seeds)
@settings(max_examples=20, deadline=None)
def test_as_many_components_as_weights_need_are_exact(shape: Shape, seed: int) -> None:
    k_h, k_w, c_in, c_out = shape
    kernel, metric = kernel_of(shape, seed), metric_of(shape, seed)
    whole = k_h * k_w * min(c_in, c_out)
    assert relative_loss(metric, kernel, cp(kernel, metric, whole).reconstruct()) < 0.02


@given(shapes, seeds)
@settings(max_examples=15, deadline=None)
def test_more_components_lose_no_more(shape: Shape, seed: int) -> None:
    kernel, metric = kernel_of(shape, seed), metric_of(shape, seed)
    losses = [loss for _, loss in cp_ladder(kernel, metric, range(1, 8))]
    assert losses[0] <= metric.loss(kernel) * (1 + 1e-9)
    for less, more in itertools.pairwise(losses):
        assert more <= less + RIDGE * metric.loss(kernel)  # which the ridge may trade for shorter components


@pytest.mark.parametrize("rank", [2, 6, 9])
def test_the_ladders_loss_is_that_of_its_kernel(rank: int) -> None:
    """In nats, in the metric of the layer, whatever the coordinates of the search."""
    kernel, metric = kernel_of(SHAPE), metric_of(SHAPE)
    components, loss = raised(None, whiten(kernel, metric), rank, effort_of(metric).cp_steps)
    assert components.rank == rank
    unpolished = metric.loss(kernel - cp(kernel, metric, rank, polished=False).reconstruct())
    assert unpolished == pytest.approx(loss, rel=1e-6)
    factors = cp(kernel, metric, rank)
    assert metric.loss(kernel - factors.reconstruct()) <= loss * (1 + 1e-6)
    white = whiten(kernel, metric)
    pattern = np.einsum("ij,jr,pr->pir", white.inputs[1], components.first, components.depthwise).reshape(-1, rank)
    found = pattern @ components.last @ white.outputs[1]
    assert metric.loss(kernel.reshape(-1, SHAPE[3]) - found) == pytest.approx(loss, rel=1e-6)


def test_one_component_is_the_best_of_rank_one_where_positions_are_one() -> None:
    """A 1×1 kernel's components are those of its singular value decomposition."""
    shape = (1, 1, 6, 8)
    kernel, metric = kernel_of(shape), identity_metric(shape)
    singular = np.linalg.svd(kernel[0, 0], compute_uv=False)
    for rank in (1, 2, 4):
        found = metric.loss(kernel - cp(kernel, metric, rank).reconstruct())
        assert found == pytest.approx(0.5 * np.sum(singular[rank:] ** 2), rel=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_it_beats_tucker_at_the_same_weights_where_channels_are_smooth(seed: int) -> None:
    """Slices of few directions in space, as trained kernels have them."""
    k_h, k_w, c_in, c_out = shape = (3, 3, 12, 12)
    kernel = of_rank(shape, 30, seed) + 0.1 * kernel_of(shape, seed)
    metric = metric_of(shape, seed)
    tucker = tucker2(kernel, metric, 6, 8)
    weights = sum(factor.size for _, factor in tucker.chain)
    chain = cp(kernel, metric, weights // (c_in + k_h * k_w + c_out))
    assert sum(factor.size for _, factor in chain.chain) <= weights
    assert metric.loss(kernel - chain.reconstruct()) < 0.7 * metric.loss(kernel - tucker.reconstruct())


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_units_do_not_matter(scale: float) -> None:
    metric, kernel = metric_of(SHAPE, dtype=np.float32), kernel_of(SHAPE, dtype=np.float32)
    expected, found = (relative_loss(metric, k, cp(k, metric, 8).reconstruct()) for k in (kernel, kernel * scale))
    assert found == pytest.approx(expected, rel=0.1)


def test_the_slope_is_the_transpose_of_the_change() -> None:
    at, step = random_components(SHAPE, 4, 0), random_components(SHAPE, 4, 1)
    rows = np.random.default_rng(2).normal(size=(54, 8))
    assert float(np.vdot(rows, at.change(step))) == pytest.approx(at.slope(rows).dot(step), rel=1e-9)


def test_the_change_is_the_kernels_derivative() -> None:
    at, step = random_components(SHAPE, 4, 0), random_components(SHAPE, 4, 1)
    ahead, behind = (at.plus(step, sign * 1e-5).kernel() for sign in (1, -1))
    np.testing.assert_allclose((ahead - behind) / 2e-5, at.change(step), rtol=1e-6, atol=1e-6)


def test_balanced_components_are_the_same_kernel() -> None:
    at = random_components(SHAPE, 4)
    balanced = at.balanced()
    np.testing.assert_allclose(balanced.kernel(), at.kernel(), rtol=1e-9, atol=1e-12)
    first, depthwise, last = balanced.squares()
    np.testing.assert_allclose(first, depthwise, rtol=1e-9)
    np.testing.assert_allclose(first, last, rtol=1e-9)


def test_an_undamped_step_is_that_of_gauss_and_newton() -> None:
    """Against the normal equations, formed and solved."""
    shape = (3, 1, 2, 3)
    white = whiten(kernel_of(shape), metric_of(shape))
    at = beginning(white.kernel, white.shape, 2)
    image = white.sigma @ (white.kernel - at.kernel())
    ridge, sizes = 0.05, (at.first.size, at.depthwise.size, at.last.size)

    def spread(flat: np.ndarray) -> Components:
        parts = np.split(flat, np.cumsum(sizes)[:-1])
        return Components(
            *(p.reshape(like.shape) for p, like in zip(parts, (at.first, at.depthwise, at.last), strict=True))
        )

    def flat(parts: Components) -> np.ndarray:
        return np.concatenate([parts.first.ravel(), parts.depthwise.ravel(), parts.last.ravel()])

    columns = np.stack([at.change(spread(unit)).ravel() for unit in np.eye(sum(sizes))], axis=1)
    sigma = np.kron(white.sigma, np.eye(3))
    expected = np.linalg.solve(
        columns.T @ sigma @ columns + ridge * np.eye(sum(sizes)), flat(at.slope(image)) - ridge * flat(at)
    )
    found = flat(step_of(at, image, white.sigma, ridge, 0.0, 400))
    assert np.linalg.norm(found - expected) < 0.1 * np.linalg.norm(expected)


def test_the_ridge_holds_cancelling_components_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tensor of border rank two: two components come as near to it as they grow long and cancel."""
    a, b, _ = np.eye(3)
    kernel = sum(np.einsum("p,i,o->pio", *parts) for parts in ((a, a, b), (a, b, a), (b, a, a)))
    shape = (3, 1, 3, 3)
    longest = []
    for ridge in (RIDGE, 0.0):
        monkeypatch.setattr("compiler.decompose.cp.RIDGE", ridge)
        white = whiten(kernel.reshape(shape), identity_metric(shape))
        components, _ = polish(random_components(shape, 2), white, (300, 60))
        longest.append(float(np.max(components.squares()[0])))
    assert longest[0] < 0.5 * longest[1]


def test_the_last_factor_is_a_least_squares_fit_before_any_step() -> None:
    white, at = whiten(kernel_of(SHAPE), metric_of(SHAPE)), random_components(SHAPE, 4)
    _, loss = polish(at, white, (0, 0))
    half = np.linalg.cholesky(white.sigma).T
    last, *_ = np.linalg.lstsq(half @ at.patterns, half @ white.kernel, rcond=None)
    rest = half @ (white.kernel - at.patterns @ last)
    assert loss == pytest.approx(0.5 * float(np.sum(rest**2)) * white.unit, rel=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_a_step_that_fails_is_tried_shorter(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From components of no kernel in particular, an undamped step leads away."""
    monkeypatch.setattr("compiler.decompose.cp.DAMPING", 1e-6)
    shape = (3, 3, 12, 12)
    white, start = whiten(of_rank(shape, 20, seed), metric_of(shape, seed)), random_components(shape, 20, seed)
    _, before = polish(start, white, (0, 0))
    _, after = polish(start, white, (25, 60))
    assert after < 0.05 * before


@pytest.mark.parametrize("rank", [21, 40, 75])
def test_empty_input_channels_do_not_hold_components(rank: int) -> None:
    """Those of a pruned kernel: components that start there would never move."""
    shape = (3, 3, 32, 32)
    kernel = kernel_of(shape, dtype=np.float32) * (np.arange(32) < 8)[:, None]
    metric = Metric(*(np.eye(n, dtype=np.float32) for n in (288, 32)))
    narrow = Metric(np.eye(72, dtype=np.float32), np.eye(32, dtype=np.float32))
    found = metric.loss(kernel - cp(kernel, metric, rank).reconstruct())
    alone = narrow.loss(kernel[:, :, :8] - cp(kernel[:, :, :8], narrow, rank).reconstruct())
    assert found <= 1.15 * alone + 2e-3 * metric.loss(kernel)


def test_a_beginning_takes_a_second_pattern_where_directions_are_few() -> None:
    """Two directions, three components: each has a part in the residual, and no more than were asked for."""
    kernel = np.zeros((9, 6, 8))
    kernel[:, :2] = np.random.default_rng(0).normal(size=(9, 2, 8))
    start = beginning(kernel.reshape(-1, 8), (9, 6, 8), 3)
    assert start.rank == 3
    assert all(np.all(part > 0) for part in start.squares())


def test_a_step_that_loses_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    white = whiten(kernel_of(SHAPE), metric_of(SHAPE))
    start, _ = raised(None, white, 8, (2, 4))
    _, before = polish(start, white, (0, 0))
    monkeypatch.setattr("compiler.decompose.cp.step_of", lambda at, *rest: at.plus(at, 9.0))
    _, after = polish(start, white, (4, 4))
    assert after == before


def test_steps_settle_and_never_lose() -> None:
    white = whiten(kernel_of(SHAPE), metric_of(SHAPE))
    start, before = raised(None, white, 8, (2, 4))
    _, after = polish(start, white, (20, 20))
    _, later = polish(start, white, (60, 20))
    assert later <= after <= before * (1 + 1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_going_on_from_a_kernel_nearby_is_as_good_and_keeps_its_components(seed: int) -> None:
    """In other coordinates than those that the components were found in."""
    shape = (3, 3, 12, 12)
    kernel = of_rank(shape, 30, seed) + 0.1 * kernel_of(shape, seed)
    begun = cp(kernel, metric_of(shape, seed), 20)
    moved, metric = kernel + 0.05 * kernel_of(shape, seed + 10), metric_of(shape, seed + 20)
    found = cp_from(moved, metric, begun)
    assert [f.shape for _, f in found.chain] == [f.shape for _, f in begun.chain]
    cold = metric.loss(moved - cp(moved, metric, 20).reconstruct())
    assert metric.loss(moved - found.reconstruct()) < 1.1 * cold < metric.loss(moved - begun.reconstruct())


def test_going_on_without_a_step_changes_the_last_factor_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the components were brought into the search's coordinates and back."""
    kernel, metric = kernel_of(SHAPE), metric_of(SHAPE)
    begun = cp(kernel, metric, 5)
    monkeypatch.setattr("compiler.decompose.cp.effort_of", lambda _: Effort(cp_last_steps=(0, 0)))
    found = dict(cp_from(kernel + 0.1 * kernel_of(SHAPE, 1), metric, begun).chain)
    for role in ("first", "depthwise"):
        mine, own = (factors[role].reshape(-1, 5) for factors in (found, dict(begun.chain)))
        cosines = np.sum(mine * own, axis=0) / np.linalg.norm(mine, axis=0) / np.linalg.norm(own, axis=0)
        np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-6)
