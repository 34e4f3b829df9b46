"""Kernels of few bits: whole steps that their own weights tell, and what is felt of each in view."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.decompose.best_scale import best_scale
from compiler.decompose.equalise import equalise
from compiler.decompose.factors import Factors
from compiler.decompose.few_bits import felt_of, few_bit_chain, few_bits, in_few_bits, solve
from compiler.decompose.fit import fit
from compiler.decompose.metric import Metric, damped
from compiler.decompose.round_to_grid import grid_of, nearest
from compiler.decompose.row_covariance import RowCovariance
from compiler.decompose.whole_steps import whole_steps
from compiler.types import FEW_BITS, Choice
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


@given(shapes, seeds)
@settings(max_examples=80, deadline=None)
def test_four_bits_reach_their_largest_step_and_are_never_worse_than_nearest(
    shape: tuple[int, int, int, int], seed: int
) -> None:
    kernel, metric, _ = case(shape, seed)
    rounded = few_bits(kernel, metric, 4)
    groups = rounded.reshape(1, -1, shape[3])
    whole = groups / grid_of(groups, largest=7)
    np.testing.assert_allclose(whole, np.rint(whole), atol=1e-3)  # the largest weight of a channel tells its grid
    assert np.all(rounded[..., -1] == 0)
    flat = kernel.reshape(1, -1, shape[3])
    plain = nearest(flat, best_scale(flat, metric.sigma), 7).reshape(shape)
    assert metric.loss(rounded - kernel) <= metric.loss(plain - kernel) * (1 + 1e-3) + 1e-9


@given(shapes, seeds, st.sampled_from(FEW_BITS))
@settings(max_examples=60, deadline=None)
def test_a_channel_is_whole_steps_of_its_own(shape: tuple[int, int, int, int], seed: int, bits: float) -> None:
    kernel, metric, _ = case(shape, seed)
    rounded = few_bits(kernel, metric, bits)
    assert rounded.shape == kernel.shape
    assert rounded.dtype == kernel.dtype
    assert whole_steps(rounded.reshape(-1, shape[3])) is not None
    assert np.all(rounded[..., -1] == 0)


@pytest.mark.parametrize(("bits", "largest"), [(4, 7), (3, 3), (1.7, 1)])
def test_inputs_and_scales_pay(bits: float, largest: int) -> None:
    """Beside the nearest of as many values as so many bits can tell, up to the largest weight."""
    kernel, metric, _ = case((3, 3, 8, 16), 0)
    flat = kernel.reshape(1, -1, 16)
    plain = nearest(flat, grid_of(flat, largest=largest), largest).reshape(kernel.shape)
    assert metric.loss(few_bits(kernel, metric, bits) - kernel) < 0.5 * metric.loss(plain - kernel)


@pytest.mark.parametrize("bits", [4, 2.5])
@pytest.mark.parametrize("choice", [Choice(), Choice("tucker2", (5, 9))])
def test_what_the_logits_feel_pays(choice: Choice, bits: float) -> None:
    """Outputs that are heard together are rounded together, of a whole kernel and of a chain's last factor."""
    kernel, metric, _ = case((3, 3, 8, 16), 5)
    slopes = np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32)
    metric = Metric(metric.sigma, damped(slopes @ slopes.T))
    whole = fit(kernel, metric, choice)
    if choice.is_dense:
        found = [few_bits(kernel, metric, bits, coupled=coupled) for coupled in (False, True)]
    else:
        found = [few_bit_chain(whole, kernel, metric, bits, coupled=coupled).reconstruct() for coupled in (False, True)]
    assert np.array_equal(fit(kernel, metric, replace(choice, bits=bits)).reconstruct(), found[1])
    cut = metric.loss(whole.reconstruct() - kernel)  # what the ranks lose before anything is rounded
    apart, coupled = (metric.loss(rounded - kernel) - cut for rounded in found)
    assert coupled < 0.95 * apart


def test_a_wide_layer_of_four_bits_is_rounded_to_the_nearest() -> None:
    kernel, metric, rows = case((3, 3, 5, 4), 1)
    sigma, flat = RowCovariance(rows), kernel.reshape(1, -1, 4)
    wide = few_bits(kernel, Metric(sigma, metric.gamma), 4)
    np.testing.assert_array_equal(wide.reshape(-1, 4), nearest(flat, best_scale(flat, sigma), 7)[0])


@pytest.mark.parametrize("bits", FEW_BITS)
def test_a_fit_rounds_what_it_is_given(bits: float) -> None:
    kernel, metric, _ = case((3, 3, 4, 6), 2)
    factors = fit(kernel, metric, Choice(bits=bits))
    assert [role for role, _ in factors.chain] == ["core"]
    assert np.array_equal(factors.reconstruct(), few_bits(kernel, metric, bits))


def alone(factors: Factors, bits: float) -> Factors:
    """Each factor rounded for itself, as if all that it reads and puts out were alike."""
    rounded = []
    for role, factor in factors.chain:
        flat = factor.reshape(-1, factor.shape[-1])
        inputs, outputs = (np.eye(n, dtype=np.float32) for n in flat.shape)
        rounded.append((role, in_few_bits(flat, inputs, outputs, bits, coupled=False).reshape(factor.shape)))
    return Factors(tuple(rounded))


@pytest.mark.parametrize("bits", [4, 2.5])
@pytest.mark.parametrize("choice", [Choice("tucker2", (5, 9)), Choice("tucker2", (8, 9)), Choice("tucker2", (5, 12))])
def test_a_chain_is_rounded_factor_by_factor(choice: Choice, bits: float) -> None:
    """Each undoes what those before it lost: nearer than the same factors, each rounded for itself."""
    kernel, metric, _ = case((3, 3, 8, 12), 3)
    kernel[..., -1] = kernel[..., 0]
    whole = fit(kernel, metric, choice)
    chain = few_bit_chain(whole, kernel, metric, bits)
    assert [role for role, _ in chain.chain] == [role for role, _ in whole.chain]
    for _, factor in chain.chain:
        assert whole_steps(factor.reshape(-1, factor.shape[-1])) is not None
    apart = metric.loss(kernel - alone(whole, bits).reconstruct())
    cut = metric.loss(kernel - whole.reconstruct())  # what the ranks lose before anything is rounded
    assert metric.loss(kernel - chain.reconstruct()) - cut < 0.8 * (apart - cut)


@pytest.mark.parametrize("kernel_size", [(3, 3), (1, 3), (1, 1)])
@pytest.mark.parametrize("factors", [0, 1, 2])
def test_what_is_felt_behind_a_chain_is_what_the_outputs_feel(kernel_size: tuple[int, int], factors: int) -> None:
    """½ eᵀFe is ½ yᵀΓy of all that a lone pixel e becomes."""
    random = np.random.default_rng(factors)
    behind = [random.normal(size=(*kernel_size, 4, 5)), random.normal(size=(1, 1, 5, 3))][:factors]
    mixing = random.normal(size=([4, 5, 3][factors],) * 2)
    gamma, pixel = mixing @ mixing.T, random.normal(size=4)
    image = np.zeros((1, 7, 7, 4))
    image[0, 3, 3] = pixel
    for factor in behind:
        image = np.asarray(keras.ops.conv(image, factor, padding="same"))
    expected = np.einsum("nhwi,ij,nhwj->", image, gamma, image)
    assert pixel @ felt_of(behind, gamma) @ pixel == pytest.approx(expected)


def test_features_that_are_felt_more_have_finer_steps() -> None:
    """Of a chain that is coded: a feature's width times the root of what is felt of it is one for all."""
    kernel, metric, _ = case((3, 3, 24, 12), 6)
    loud = np.diag(np.geomspace(0.01, 10, 12).astype(np.float32))
    metric = Metric(np.eye(9 * 24, dtype=np.float32), loud)
    whole = fit(kernel, metric, Choice("tucker2", (8, 8)))
    _, *behind = equalise(whole, metric.sigma).chain
    felt = np.sqrt(np.diag(felt_of([factor for _, factor in behind], metric.gamma)))
    assert felt.max() > 1.3 * felt.min()
    (_, first), *_ = few_bit_chain(whole, kernel, metric, 2.1).chain
    scale = whole_steps(first[0, 0])
    assert scale is not None
    np.testing.assert_allclose(scale * felt, np.median(scale * felt), rtol=0.02)  # widths have six bits


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
    apart = metric.loss(kernel - alone(whole, 4).reconstruct())
    cut = metric.loss(kernel - whole.reconstruct())
    assert metric.loss(kernel - few_bit_chain(whole, kernel, metric, 4).reconstruct()) - cut < 0.8 * (apart - cut)
