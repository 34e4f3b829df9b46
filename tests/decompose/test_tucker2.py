"""Tucker-2: exact at full rank, better with more rank, no worse than the textbook's algorithm."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.linalg
import tensorly.decomposition
import tensorly.tenalg
from hypothesis import given, settings

from compiler.decompose.tucker2 import factors_of, input_basis, regress_on, tucker2, update_first
from tests.decompose.cases import Shape, identity_metric, kernel_of, metric_of, relative_loss, seeds, shapes


@given(shapes, seeds)
@settings(max_examples=25, deadline=None)
def test_exact_at_full_rank(shape: Shape, seed: int) -> None:
    metric, kernel = metric_of(shape, seed), kernel_of(shape, seed)
    factors = tucker2(kernel, metric, shape[2], shape[3])
    assert [role for role, _ in factors.chain] == ["core"]
    assert relative_loss(metric, kernel, factors.reconstruct()) < 1e-5


@given(shapes, seeds)
@settings(max_examples=15, deadline=None)
def test_shapes_are_those_of_the_choice(shape: Shape, seed: int) -> None:
    """Also where the rank of the output is more than the features before it can fill."""
    k_h, k_w, c_in, c_out = shape
    metric, kernel = metric_of(shape, seed), kernel_of(shape, seed)
    for r_in, r_out in itertools.product(range(1, c_in + 1), range(1, c_out + 1)):
        found = {role: factor.shape for role, factor in tucker2(kernel, metric, r_in, r_out, sweeps=1).chain}
        expected = {"core": (k_h, k_w, r_in, r_out)}
        if r_in < c_in:
            expected["first"] = (1, 1, c_in, r_in)
        if r_out < c_out:
            expected["last"] = (1, 1, r_out, c_out)
        assert found == expected


@given(shapes, seeds)
@settings(max_examples=25, deadline=None)
def test_of_one_basis_more_rank_loses_less(shape: Shape, seed: int) -> None:
    """What the menu rests on: input_basis is nested, and each of its losses is that of a kernel."""
    metric, kernel = metric_of(shape, seed), kernel_of(shape, seed)
    basis = input_basis(kernel, metric)
    fits = [regress_on(basis[:, :r_in], kernel, metric) for r_in in range(1, shape[2] + 1)]
    table = np.array([fit.regression.losses for fit in fits])
    slack = 1e-5 * table[0, 0]
    assert np.all(np.diff(table, axis=0) <= slack)
    assert np.all(np.diff(table, axis=1) <= slack)
    for fit, losses in zip(fits, table, strict=True):
        for r_out in range(1, shape[3] + 1):
            kernel_hat = factors_of(fit, shape, metric, r_out).reconstruct()
            assert metric.loss(kernel - kernel_hat) == pytest.approx(losses[r_out], rel=1e-4, abs=slack)


@given(shapes, seeds)
@settings(max_examples=20, deadline=None)
def test_sweeps_never_lose_what_the_basis_had(shape: Shape, seed: int) -> None:
    metric, kernel = metric_of(shape, seed), kernel_of(shape, seed)
    r_in, r_out = max(1, shape[2] // 2), max(1, shape[3] // 2)
    losses = [
        relative_loss(metric, kernel, tucker2(kernel, metric, r_in, r_out, sweeps=sweeps).reconstruct())
        for sweeps in (0, 1, 4)
    ]
    assert losses[1] <= losses[0] + 1e-5
    assert losses[2] <= losses[1] + 1e-5


def test_the_update_of_u_is_the_least_squares_optimum() -> None:
    """Against the same problem written out: one column for each entry of U, one row for each number of K."""
    shape = (3, 3, 6, 8)
    metric, kernel = metric_of(shape), kernel_of(shape)
    fit = regress_on(input_basis(kernel, metric)[:, :2], kernel, metric)
    core = fit.regression.coefficients(3).reshape(3, 3, 2, 3)
    tail = core @ (fit.regression.right[:3] @ metric.gamma_roots[1])
    sigma_root = scipy.linalg.cholesky(metric.sigma)

    def whiten(delta: np.ndarray) -> np.ndarray:
        return (sigma_root @ delta.reshape(-1, 8) @ metric.gamma_roots[0]).reshape(-1)

    def of(u: np.ndarray) -> np.ndarray:
        return np.einsum("ir,hwro->hwio", u, tail)

    design = np.stack([whiten(of(unit.reshape(6, 2))) for unit in np.eye(12)], axis=1)
    optimum = np.linalg.lstsq(design, whiten(kernel), rcond=None)[0].reshape(6, 2)
    found = update_first(fit, kernel, metric, 3)
    assert metric.loss(kernel - of(found)) < 0.99 * metric.loss(kernel - of(fit.first))
    assert metric.loss(kernel - of(found)) == pytest.approx(metric.loss(kernel - of(optimum)), rel=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_no_worse_than_hooi_where_the_metric_is_plain(seed: int) -> None:
    """Against tensorly's partial Tucker, which minimises the same Frobenius norm; kernels decay as real ones do."""
    shape = (3, 3, 8, 10)
    generator = np.random.default_rng(seed)
    decay = [np.linalg.qr(generator.normal(size=(n, n)))[0] * np.geomspace(1.0, 0.05, n)[:, None] for n in shape[2:]]
    kernel = np.einsum("hwio,ij,op->hwjp", kernel_of(shape, seed), *decay)
    (core, bases), _ = tensorly.decomposition.partial_tucker(kernel, rank=(3, 4), modes=[2, 3], n_iter_max=200)
    textbook = np.sum((kernel - tensorly.tenalg.multi_mode_dot(core, bases, modes=[2, 3])) ** 2)
    ours = np.sum((kernel - tucker2(kernel, identity_metric(shape), 3, 4).reconstruct()) ** 2)
    assert ours <= 1.001 * textbook


def test_the_most_important_input_directions_come_first() -> None:
    """Eckart–Young on the input mode, also where kernels reach fewer output directions than there are inputs."""
    for shape in ((1, 3, 12, 2), (3, 3, 6, 4)):
        kernel = kernel_of(shape)
        basis = input_basis(kernel, identity_metric(shape))
        unfolded = kernel.transpose(2, 0, 1, 3).reshape(shape[2], -1)
        singular = np.linalg.svd(unfolded, compute_uv=False)
        np.testing.assert_allclose(basis.T @ basis, np.eye(shape[2]), atol=1e-10)
        for rank in range(1, shape[2] + 1):
            left = unfolded - basis[:, :rank] @ basis[:, :rank].T @ unfolded
            np.testing.assert_allclose(np.sum(left**2), np.sum(singular[rank:] ** 2), rtol=1e-9, atol=1e-12)


def test_the_metric_matters() -> None:
    """In a metric far from the plain one, its own fit beats the plain fit by far."""
    shape = (3, 3, 8, 10)
    metric, kernel = metric_of(shape), kernel_of(shape)
    own = relative_loss(metric, kernel, tucker2(kernel, metric, 3, 4).reconstruct())
    plain = relative_loss(metric, kernel, tucker2(kernel, identity_metric(shape), 3, 4).reconstruct())
    assert own < 0.5 * plain
