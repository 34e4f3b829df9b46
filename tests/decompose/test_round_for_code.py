"""Kernels that will be coded: whole steps of short scales, in about the bits asked for, losing little for them."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.decompose.best_scale import CLIPPED, best_scale
from compiler.decompose.metric import Metric, damped
from compiler.decompose.round_for_code import code_of, entropy, round_for_code, scale_for
from compiler.decompose.round_to_grid import grid_of, nearest, round_to_grid
from compiler.decompose.row_covariance import RowCovariance
from compiler.decompose.whole_steps import whole_steps
from compiler.types import FEW_BITS
from tests.decompose.cases import covariance, seeds

CODED = FEW_BITS[1:]


def case(d: int, c: int, seed: int, dtype: type = np.float64) -> tuple[np.ndarray, Metric]:
    """A kernel of loud and quiet channels, correlated inputs, and outputs that are felt unlike and together."""
    random = np.random.default_rng(seed)
    slopes = random.normal(size=(c, max(1, c // 3))) * np.exp(random.normal(0, 0.5, size=(c, 1)))
    kernel = random.normal(size=(d, c)) * np.exp(random.normal(0, 0.5, size=c))
    sigma, gamma = damped(covariance(d, seed)), damped(slopes @ slopes.T, 0.03)
    return kernel.astype(dtype), Metric(sigma.astype(dtype), gamma.astype(dtype))


def bits_of(rounded: np.ndarray) -> float:
    """Of a weight, in a code made for all steps of the kernel."""
    scale = whole_steps(rounded)
    assert scale is not None
    return entropy(rounded / scale)


@pytest.fixture(scope="module")
def large() -> tuple[np.ndarray, Metric]:
    return case(108, 48, 0)


@pytest.mark.parametrize("how", ["whole", "rows", "coupled"])
@given(st.integers(1, 12), st.integers(1, 12), seeds, st.sampled_from(CODED), st.sampled_from([np.float32, np.float64]))
@settings(max_examples=60, deadline=None)
def test_columns_are_whole_steps_whose_widths_have_six_bits(
    how: str, d: int, c: int, seed: int, bits: float, dtype: type
) -> None:
    """The widths that the file will have: the widest of which all weights are whole ones."""
    kernel, metric = case(d, c, seed, dtype)
    kernel[np.random.default_rng(seed).random(kernel.shape) < 0.1] = 0
    kernel[:, 0] = 0
    sigma = RowCovariance(np.linalg.cholesky(metric.sigma).T) if how == "rows" else metric.sigma
    rounded = round_for_code(kernel, sigma, metric.gamma, bits, coupled=how == "coupled")
    assert not np.any(rounded[kernel == 0])
    scale = whole_steps(rounded)
    assert scale is not None
    mantissa = np.ldexp(np.frexp(scale)[0], 6)
    np.testing.assert_allclose(mantissa, np.rint(mantissa), rtol=1e-6)


@pytest.mark.parametrize("coupled", [False, True])
def test_they_take_about_the_bits_that_are_asked_for(large: tuple[np.ndarray, Metric], coupled: bool) -> None:
    kernel, metric = large
    found = [bits_of(round_for_code(kernel, metric.sigma, metric.gamma, bits, coupled=coupled)) for bits in CODED]
    assert found == sorted(found, reverse=True)
    np.testing.assert_allclose(found, CODED, atol=0.25)


@given(st.integers(2, 12), st.integers(1, 12), seeds, st.sampled_from(CODED))
@settings(max_examples=60, deadline=None)
def test_nearest_steps_take_no_more_bits_than_asked_for_unless_none_are_wider(
    d: int, c: int, seed: int, bits: float
) -> None:
    kernel, metric = case(d, c, seed)
    finest = best_scale(kernel[None], metric.sigma)[0, 0]
    scale = scale_for(kernel, finest, np.diag(metric.gamma), bits)
    size = np.maximum(np.abs(kernel).max(axis=0), finest)
    assert np.all((scale[0, 0] > finest * (1 - 2.0**-6)) & (scale[0, 0] < size * (1 + 2.0**-6)))
    if entropy(nearest(kernel[None], scale, 7) / scale) > bits:
        np.testing.assert_allclose(scale[0, 0], size, rtol=2.0**-6)


@pytest.mark.parametrize("bits", CODED)
def test_nearest_steps_of_a_large_kernel_take_the_bits_asked_for(large: tuple[np.ndarray, Metric], bits: float) -> None:
    kernel, metric = large
    scale = scale_for(kernel, best_scale(kernel[None], metric.sigma)[0, 0], np.diag(metric.gamma), bits)
    assert bits - 0.05 < entropy(nearest(kernel[None], scale, 7) / scale) <= bits


@pytest.mark.parametrize("bits", CODED)
def test_as_much_is_lost_in_fewer_bits_than_on_clipped_grids(bits: float) -> None:
    """Weights and outputs that are all alike, so that no descent pays but for the bits. Of grids of 3 to 15 values,
    clipped or not, the best in the same loss, on the line through them."""
    kernel = np.random.default_rng(0).normal(size=(144, 48))
    flat = Metric(np.eye(144), np.eye(48))
    front: list[tuple[float, float]] = []
    for loss, taken in sorted(
        (flat.loss(nearest(kernel[None], scale, n)[0] - kernel), entropy(nearest(kernel[None], scale, n) / scale))
        for n in range(1, 8)
        for scale in (share * grid_of(kernel[None], largest=n) for share in CLIPPED)
    ):
        if not front or taken < front[-1][1]:
            front.append((loss, taken))
    losses, fewest = np.transpose(front)
    rounded = round_for_code(kernel, flat.sigma, flat.gamma, bits, coupled=False)
    share = bits_of(rounded) / np.interp(flat.loss(rounded - kernel), losses, fewest)
    assert share < (0.995 if bits > 2.5 else 0.985 if bits > 2 else 0.94)


@pytest.mark.parametrize("bits", CODED)
def test_the_toll_pays(large: tuple[np.ndarray, Metric], bits: float) -> None:
    """Beside the same descent without one, at a bit's worth where a bit more quarters the loss."""
    kernel, metric = large
    apart = Metric(metric.sigma, np.diag(np.diag(metric.gamma)))
    scale = scale_for(kernel, best_scale(kernel[None], metric.sigma)[0, 0], np.diag(metric.gamma), bits)
    free = round_to_grid(kernel[None], metric.sigma[None], scale, largest=7, pinned=False)[0]
    rounded = round_for_code(kernel, metric.sigma, metric.gamma, bits, coupled=False)
    price = 2 * np.log(2) * apart.loss(free - kernel)
    gain = apart.loss(free - kernel) - apart.loss(rounded - kernel) + price * (bits_of(free) - bits_of(rounded))
    assert gain > 0.03 * apart.loss(free - kernel)


@pytest.mark.parametrize("bits", CODED)
def test_outputs_that_are_felt_together_are_rounded_together(large: tuple[np.ndarray, Metric], bits: float) -> None:
    """Less is lost for the bits; at a bit's worth where a bit more quarters the loss."""
    kernel, metric = large
    both = [round_for_code(kernel, metric.sigma, metric.gamma, bits, coupled=coupled) for coupled in (False, True)]
    losses = [metric.loss(rounded - kernel) for rounded in both]
    price = 2 * np.log(2) * losses[0]
    apart, coupled = (loss + price * bits_of(rounded) for loss, rounded in zip(losses, both, strict=True))
    assert coupled < apart - 0.3 * losses[0]


def test_an_output_that_is_felt_twice_as_much_has_steps_half_as_wide() -> None:
    kernel = np.tile(np.random.default_rng(0).normal(size=(144, 8)), 2)
    gamma = np.diag(np.repeat([1.0, 4.0], 8))
    scale = whole_steps(round_for_code(kernel, np.eye(144), gamma, 2.1, coupled=False))
    assert scale is not None
    np.testing.assert_allclose(scale[:8], 2 * scale[8:], rtol=1e-9)
    assert len(set(scale[:8].tolist())) == 1  # one width for all that are felt alike


def test_a_wide_layer_never_forms_its_covariance() -> None:
    random = np.random.default_rng(0)
    kernel, rows = random.normal(size=(4000, 3)), random.normal(size=(5, 4000))
    tracemalloc.start()
    try:
        rounded = round_for_code(kernel, RowCovariance(rows), np.eye(3), 2.5, coupled=True)
        assert tracemalloc.get_traced_memory()[1] < 4000**2  # a byte of each of Σ's numbers
    finally:
        tracemalloc.stop()
    scale = whole_steps(rounded)
    assert scale is not None
    np.testing.assert_array_equal(rounded, nearest(kernel[None], scale[None, None], 7)[0])


@given(st.lists(st.integers(-7, 7), min_size=1, max_size=60))
def test_a_code_made_for_the_steps_takes_their_entropy(steps: list[int]) -> None:
    n = np.array(steps)
    bits = code_of(n)
    assert len(bits) == 15
    assert np.mean(bits[n + 7]) == pytest.approx(entropy(n))
    absent = np.setdiff1d(np.arange(-7, 8), n) + 7
    assert np.all(bits[absent] > bits[n + 7].max())


def test_entropy_counts_even_choices() -> None:
    assert entropy(np.zeros(5)) == 0
    assert entropy(np.repeat([-1, 0, 2, 7], 3)) == pytest.approx(2)


@pytest.mark.parametrize("coupled", [False, True])
def test_a_channel_whose_steps_are_as_fine_as_can_be_starves_no_other(coupled: bool) -> None:
    """What it loses no more bits would save, so it says nothing of what a bit is worth."""
    random = np.random.default_rng(0)
    kernel = random.normal(size=(144, 32))
    kernel[:, 0] *= 100
    rounded = round_for_code(kernel, np.eye(144), np.eye(32), 3, coupled=coupled)
    widths = whole_steps(rounded)
    assert widths is not None
    assert entropy(rounded / widths) > 2.7
