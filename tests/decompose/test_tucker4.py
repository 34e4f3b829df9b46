"""The split core: exact at full rank, better with more rank, four factors of the shapes that were asked for."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings

from compiler.decompose.metric import Metric, symmetric_roots
from compiler.decompose.tucker2 import input_basis, regress_on, tucker2
from compiler.decompose.tucker4 import assemble4, regress_on_vertical, tucker4, vertical_basis
from tests.decompose.cases import Shape, kernel_of, metric_of, relative_loss, seeds, shapes


@given(shapes, seeds)
@settings(max_examples=25, deadline=None)
def test_exact_at_full_rank(shape: Shape, seed: int) -> None:
    k_h, _, c_in, c_out = shape
    metric, kernel = metric_of(shape, seed), kernel_of(shape, seed)
    factors = tucker4(kernel, metric, c_in, k_h * c_in, c_out)
    assert [role for role, _ in factors.chain] == ["vertical", "horizontal"]
    assert relative_loss(metric, kernel, factors.reconstruct()) < 1e-5


@given(shapes, seeds)
@settings(max_examples=12, deadline=None)
def test_shapes_are_those_of_the_choice(shape: Shape, seed: int) -> None:
    k_h, k_w, c_in, c_out = shape
    metric, kernel = metric_of(shape, seed), kernel_of(shape, seed)
    for r_in, r_out in itertools.product(range(1, c_in + 1), range(1, c_out + 1)):
        r_mid = min(k_h * r_in, k_w * c_out)
        found = {role: factor.shape for role, factor in tucker4(kernel, metric, r_in, r_mid, r_out).chain}
        expected = {"vertical": (k_h, 1, r_in, r_mid), "horizontal": (1, k_w, r_mid, r_out)}
        if r_in < c_in:
            expected["first"] = (1, 1, c_in, r_in)
        if r_out < c_out:
            expected["last"] = (1, 1, r_out, c_out)
        assert found == expected


@given(shapes, seeds)
@settings(max_examples=20, deadline=None)
def test_more_of_the_middle_loses_less(shape: Shape, seed: int) -> None:
    metric, kernel = metric_of(shape, seed), kernel_of(shape, seed)
    first = input_basis(kernel, metric)[:, : max(1, shape[2] // 2)]
    vertical = vertical_basis(regress_on(first, kernel, metric), shape)
    table = []
    for r_mid in range(1, vertical.shape[2] + 1):
        fit = regress_on_vertical(first, vertical[:, :, :r_mid], kernel, metric)
        table.append(fit.losses)
        kernel_hat = assemble4(first, vertical[:, :, :r_mid], fit, shape, metric, shape[3]).reconstruct()
        assert metric.loss(kernel - kernel_hat) == pytest.approx(
            fit.losses[shape[3]], rel=1e-4, abs=1e-5 * fit.losses[0]
        )
    assert np.all(np.diff(np.array(table), axis=0) <= 1e-5 * table[0][0])


@pytest.mark.parametrize("seed", range(3))
def test_with_the_whole_middle_it_is_tucker2(seed: int) -> None:
    """A split of full rank loses nothing against the core that was split."""
    shape = (3, 3, 6, 8)
    metric, kernel = metric_of(shape, seed), kernel_of(shape, seed)
    whole = relative_loss(metric, kernel, tucker2(kernel, metric, 3, 4, sweeps=0).reconstruct())
    split = relative_loss(metric, kernel, tucker4(kernel, metric, 3, 9, 4).reconstruct())
    assert split == pytest.approx(whole, rel=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_the_most_important_of_the_middle_comes_first(seed: int) -> None:
    shape = (3, 3, 6, 8)
    metric, kernel = metric_of(shape, seed), kernel_of(shape, seed)
    first = input_basis(kernel, metric)[:, :3]
    vertical = vertical_basis(regress_on(first, kernel, metric), shape)
    begin, end = (
        regress_on_vertical(first, part, kernel, metric).losses[-1] for part in (vertical[..., :3], vertical[..., -3:])
    )
    assert begin < 0.5 * end


def test_the_split_is_optimal_where_positions_are_uncorrelated() -> None:
    """Σ = I ⊗ C: the unfolded kernel's singular values, whitened on both sides, say what each r_mid has to lose."""
    k_h, k_w, c_in, c_out = shape = (3, 2, 5, 4)
    kernel, channels, gamma = kernel_of(shape), metric_of((1, 1, c_in, 1)).sigma, metric_of(shape).gamma
    metric = Metric(np.kron(np.eye(k_h * k_w), channels), gamma)
    whitened = np.einsum("ij,yxjo,op->yixp", symmetric_roots(channels)[0], kernel, symmetric_roots(gamma)[0])
    singular = np.linalg.svd(whitened.reshape(k_h * c_in, k_w * c_out), compute_uv=False)
    for r_mid in range(1, k_w * c_out):
        found = metric.loss(kernel - tucker4(kernel, metric, c_in, r_mid, c_out).reconstruct())
        assert found == pytest.approx(0.5 * np.sum(singular[r_mid:] ** 2), rel=1e-3, abs=2e-4 * metric.loss(kernel))
