"""Kernels of few levels: on a grid that their own largest weight tells, and never worse than nearest rounding."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.decompose.factors import Factors
from compiler.decompose.few_bits import (
    CLIPPED,
    best_scale,
    bits_of,
    few_bit_chain,
    few_bits,
    largest_step,
    on_grid,
    short_scales,
    solve,
)
from compiler.decompose.fit import fit
from compiler.decompose.metric import Metric, damped
from compiler.decompose.round_to_grid import grid_of, nearest
from compiler.decompose.row_covariance import RowCovariance
from compiler.types import FEW_LEVELS, Choice
from tests.decompose.cases import seeds

shapes = st.tuples(st.sampled_from([1, 3]), st.sampled_from([1, 3]), st.integers(1, 5), st.integers(1, 6))


def case(shape: tuple[int, int, int, int], seed: int) -> tuple[np.ndarray, Metric, np.ndarray]:
    """A kernel with heavy tails and a silent channel, a metric of correlated inputs, and the rows it is made of."""
    random = np.random.default_rng(seed)
    d = int(np.prod(shape[:3]))
    kernel = random.standard_t(3, size=shape).astype(np.float32)
    kernel[..., -1] = 0
    rows = (random.normal(size=(4 * d, d)) @ random.normal(size=(d, d))).astype(np.float32)
    sigma = rows.T @ rows / len(rows) + 1e-3 * np.eye(d, dtype=np.float32)
    return kernel, Metric(sigma, np.eye(shape[3], dtype=np.float32)), rows


@given(shapes, seeds, st.sampled_from(FEW_LEVELS))
@settings(max_examples=80, deadline=None)
def test_on_its_grid_and_never_worse_than_nearest(shape: tuple[int, int, int, int], seed: int, levels: int) -> None:
    largest = largest_step(levels)
    kernel, metric, _ = case(shape, seed)
    with mock.patch("compiler.decompose.few_bits.SCALE_BITS", 24):  # fewer lose a little of their own
        rounded = few_bits(kernel, metric, levels)
    groups = rounded.reshape(1, -1, shape[3])
    whole = groups / grid_of(groups, largest=largest)
    np.testing.assert_allclose(whole, np.rint(whole), atol=1e-3)  # the largest weight of a channel tells its grid
    assert np.abs(whole).max() <= largest + 1e-3
    assert np.all(rounded[..., -1] == 0)
    flat = kernel.reshape(1, -1, shape[3])
    scale = best_scale(flat, metric.sigma, largest, coded=3 < levels < 15)
    plain = nearest(flat, scale, largest).reshape(shape)
    assert metric.loss(rounded - kernel) <= metric.loss(plain - kernel) * (1 + 1e-3) + 1e-9


@pytest.mark.parametrize("coded", [False, True])
@given(shapes, seeds, st.sampled_from(FEW_LEVELS))
@settings(max_examples=40, deadline=None)
def test_the_grid_is_the_best_of_the_clipped_ones(
    coded: bool, shape: tuple[int, int, int, int], seed: int, levels: int
) -> None:
    """A channel at a time, by nearest rounding; coded, four times the error is worth a bit of all channels' code."""
    largest = largest_step(levels)
    kernel, metric, _ = case(shape, seed)
    flat = kernel.reshape(1, -1, shape[3])
    widest = grid_of(flat, largest=largest)
    best = best_scale(flat, metric.sigma, largest, coded=coded)
    worth = []
    for share in CLIPPED:
        rounded = nearest(flat, share * widest, largest)[0]
        change = (rounded - flat[0]).astype(np.float64)
        error = np.einsum("ic,ij,jc->c", change, metric.sigma, change)
        steps = np.rint(rounded / (share * widest[0])).astype(int)
        bits = {n: -np.log2(np.mean(steps == n)) for n in np.unique(steps).tolist()}
        worth.append(error * (4.0 ** np.mean(np.vectorize(bits.get)(steps), axis=0) if coded else 1))
    for column in range(shape[3] - 1):  # the last is silent
        taken = int(np.argmin(np.abs(np.array(CLIPPED) * widest[0, 0, column] - best[0, 0, column])))
        assert worth[taken][column] <= min(w[column] for w in worth) * (1 + 1e-3)


@pytest.mark.parametrize("levels", [11, 9, 7, 5])
def test_coded_grids_lose_less_in_as_many_bits(levels: int) -> None:
    """Than those of least error, whatever their levels: on the line through their losses and bits."""
    random = np.random.default_rng(0)
    kernel = random.normal(size=(3, 3, 32, 24)).astype(np.float32).reshape(1, -1, 24)

    def bits_and_loss(levels: int, coded: bool) -> tuple[float, float]:
        scale = best_scale(kernel, None, largest_step(levels), coded=coded)
        rounded = nearest(kernel, scale, largest_step(levels))
        return float(bits_of(rounded / scale, largest_step(levels)).mean()), float(
            np.log(np.mean((rounded - kernel) ** 2))
        )

    plain = sorted(bits_and_loss(n, False) for n in FEW_LEVELS)
    bits, loss = bits_and_loss(levels, True)
    assert bits < 0.995 * np.interp(-loss, [-lost for _, lost in plain], [b for b, _ in plain])


@given(shapes, seeds, st.sampled_from(FEW_LEVELS[1:]))
@settings(max_examples=40, deadline=None)
def test_scales_of_coded_weights_have_six_bits(shape: tuple[int, int, int, int], seed: int, levels: int) -> None:
    kernel, metric, _ = case(shape, seed)
    rounded = few_bits(
        kernel.astype(np.float64), Metric(metric.sigma.astype(float), metric.gamma.astype(float)), levels
    )
    scales = np.abs(rounded).max(axis=(0, 1, 2))[:-1] / largest_step(levels)  # the last channel is silent
    steps = np.ldexp(np.frexp(scales)[0], 6)
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-9)


@pytest.mark.parametrize("levels", FEW_LEVELS)
def test_inputs_and_clipping_pay(levels: int) -> None:
    largest = largest_step(levels)
    kernel, metric, _ = case((3, 3, 8, 16), 0)
    flat = kernel.reshape(1, -1, 16)
    plain = nearest(flat, grid_of(flat, largest=largest), largest).reshape(kernel.shape)
    assert metric.loss(few_bits(kernel, metric, levels) - kernel) < 0.5 * metric.loss(plain - kernel)


@pytest.mark.parametrize("choice", [Choice(levels=7), Choice("tucker2", (5, 9), levels=7)])
def test_what_the_logits_feel_pays(choice: Choice) -> None:
    """Outputs that are heard together are rounded together, of a whole kernel and of a chain's last factor."""
    kernel, metric, _ = case((3, 3, 8, 16), 5)
    slopes = np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32)
    metric = Metric(metric.sigma, damped(slopes @ slopes.T))
    if choice.chain == "dense":
        found = [few_bits(kernel, metric, 7, coupled=coupled) for coupled in (False, True)]
    else:
        whole = fit(kernel, metric, replace(choice, levels=255))
        found = [few_bit_chain(whole, kernel, metric, 7, coupled=coupled).reconstruct() for coupled in (False, True)]
    assert np.array_equal(fit(kernel, metric, choice).reconstruct(), found[1])
    apart, coupled = (metric.loss(rounded - kernel) for rounded in found)
    assert coupled < 0.95 * apart


def test_a_wide_layer_never_forms_its_covariance(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, metric, rows = case((3, 3, 5, 4), 1)
    monkeypatch.setattr("compiler.decompose.few_bits.round_to_grid", lambda *_, **__: pytest.fail("formed d×d"))
    wide = few_bits(kernel, Metric(RowCovariance(rows), metric.gamma), 15)
    groups = wide.reshape(1, -1, 4)
    whole = groups / grid_of(groups, largest=largest_step(15))
    np.testing.assert_allclose(whole, np.rint(whole), atol=1e-3)


@pytest.mark.parametrize("levels", FEW_LEVELS)
def test_levels_between_three_and_fifteen_are_chosen_for_their_bits_too(levels: int) -> None:
    """Seen on a wide layer, which is rounded to the nearest of its grid."""
    kernel, metric, rows = case((3, 3, 5, 4), 1)
    flat = kernel.reshape(1, -1, 4)
    sigma, largest = RowCovariance(rows), largest_step(levels)
    found = few_bits(kernel, Metric(sigma, metric.gamma), levels)
    scale = best_scale(flat, sigma, largest, coded=3 < levels < 15)
    rounded = nearest(flat, scale, largest)[0]
    np.testing.assert_array_equal(found.reshape(-1, 4), short_scales(rounded, levels))
    assert np.array_equal(scale, best_scale(flat, sigma, largest)) == (levels in (15, 3))


@pytest.mark.parametrize("levels", FEW_LEVELS)
def test_a_fit_rounds_what_it_is_given(levels: int) -> None:
    kernel, metric, _ = case((3, 3, 4, 6), 2)
    factors = fit(kernel, metric, Choice(levels=levels))
    assert [role for role, _ in factors.chain] == ["core"]
    assert np.array_equal(factors.reconstruct(), few_bits(kernel, metric, levels))


@pytest.mark.parametrize("choice", [Choice("tucker2", (5, 9)), Choice("tucker2", (8, 9)), Choice("tucker2", (5, 12))])
def test_a_chain_is_rounded_factor_by_factor(choice: Choice) -> None:
    """Each undoes what those before it lost: nearer than the same factors, each rounded for itself."""
    kernel, metric, _ = case((3, 3, 8, 12), 3)
    kernel[..., -1] = kernel[..., 0]
    whole = fit(kernel, metric, choice)
    chain = few_bit_chain(whole, kernel, metric, 15)
    assert [role for role, _ in chain.chain] == [role for role, _ in whole.chain]
    for _, factor in chain.chain:
        flat = factor.reshape(1, -1, factor.shape[-1])
        steps = flat / grid_of(flat, largest=largest_step(15))
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
    alone = []
    for role, factor in whole.chain:
        flat = factor.reshape(-1, factor.shape[-1])
        alone.append((role, on_grid(flat, np.eye(len(flat), dtype=np.float32), None, 15).reshape(factor.shape)))
    apart = metric.loss(kernel - Factors(tuple(alone)).reconstruct())
    cut = metric.loss(kernel - whole.reconstruct())  # what the ranks lose before anything is rounded
    assert metric.loss(kernel - chain.reconstruct()) - cut < 0.8 * (apart - cut)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_features_that_are_one_and_the_same_are_solved_for(dtype: type) -> None:
    """Σ of float32 may be as indefinite as its precision allows, and columns on a grid of seven steps alike or 0."""
    random = np.random.default_rng(0)
    features = np.repeat(random.normal(size=(400, 40)), 4, axis=1).astype(dtype)
    features[:, :8] = 0
    gram = features.T @ features - dtype(1e-3) * np.eye(160, dtype=dtype)
    right = features.T @ random.normal(size=(400, 5)).astype(dtype)
    found = solve(gram, right)
    assert np.all(np.isfinite(found))
    assert np.linalg.norm(gram @ found - right) < 0.05 * np.linalg.norm(right)
    assert np.all(np.isfinite(solve(np.zeros((3, 3), dtype), np.zeros((3, 2), dtype))))


def test_an_svd_is_rounded_likewise() -> None:
    kernel, metric, _ = case((1, 1, 16, 12), 4)
    whole = fit(kernel, metric, Choice("svd", (6,)))
    flat = [
        (role, on_grid(f[0, 0], np.eye(f.shape[2], dtype=np.float32), None, 15)[None, None]) for role, f in whole.chain
    ]
    apart = metric.loss(kernel - Factors(tuple(flat)).reconstruct())
    cut = metric.loss(kernel - whole.reconstruct())
    assert metric.loss(kernel - few_bit_chain(whole, kernel, metric, 15).reconstruct()) - cut < 0.8 * (apart - cut)
