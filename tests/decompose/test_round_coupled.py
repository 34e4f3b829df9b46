"""Rounding with Γ in view: on grids of as many levels, never worse, and better where channels are correlated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.decompose.metric import Metric
from compiler.decompose.round_coupled import rescale, round_coupled, take_turns
from compiler.decompose.round_for_code import code_of
from compiler.decompose.round_to_grid import Toll, grid_of, nearest, round_to_grid
from tests.decompose.cases import seeds


def loss(delta: np.ndarray, sigma: np.ndarray, gamma: np.ndarray) -> float:
    return Metric(sigma, gamma).loss(delta)


def case(d: int, c: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(kernel, Σ, Γ): correlated inputs, and outputs that only a few directions of matter, as few classes have it."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(4 * d, d)) @ random.normal(size=(d, d))
    slopes = random.normal(size=(c, max(1, c // 3)))
    gamma = slopes @ slopes.T
    damping = 1e-3 * np.trace(gamma) / c * np.eye(c)
    return random.standard_t(3, size=(d, c)), rows.T @ rows / len(rows) + 1e-3 * np.eye(d), gamma + damping


def clipped(kernel: np.ndarray, largest: int) -> np.ndarray:
    """Scales (1, 1, c) of grids that clip the largest weights."""
    return 0.6 * grid_of(kernel[None], largest=largest)


@given(st.integers(1, 12), st.integers(1, 20), seeds, st.sampled_from([7, 3, 1]))
@settings(max_examples=60, deadline=None)
def test_on_a_grid_and_never_worse(d: int, c: int, seed: int, largest: int) -> None:
    kernel, sigma, gamma = case(d, c, seed)
    kernel[:, 0] = 0
    scale = clipped(kernel, largest)
    alone = round_to_grid(kernel[None], sigma[None], scale, largest=largest)[0]
    coupled = round_coupled(kernel, alone, sigma, gamma, scale[0], largest)
    before, after = (loss(rounded - kernel, sigma, gamma) for rounded in (alone, coupled))
    assert after <= before * (1 + 1e-9) + 1e-12
    largest_weight = np.abs(coupled).max(axis=0)
    steps = coupled / np.where(largest_weight > 0, largest_weight / largest, 1)  # the largest tells the grid again
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)
    assert not coupled[:, 0].any()


def test_correlated_channels_make_up_for_each_other() -> None:
    kernel, sigma, gamma = case(72, 32, 0)
    scale = clipped(kernel, 3)
    alone = round_to_grid(kernel[None], sigma[None], scale, largest=3)[0]
    coupled = round_coupled(kernel, alone, sigma, gamma, scale[0], 3)
    assert loss(coupled - kernel, sigma, gamma) < 0.8 * loss(alone - kernel, sigma, gamma)


@pytest.mark.parametrize("seed", range(60))
def test_a_turn_that_ends_worse_is_not_taken(seed: int) -> None:
    """Γ couples more channels than there are inputs. Plainly, with the whole loss before and after every turn."""
    kernel, sigma, gamma = case(4, 20, seed)
    scale = clipped(kernel, 1)
    alone = round_to_grid(kernel[None], sigma[None], scale, largest=1)[0]
    result, columns = alone, np.arange(20)
    for turn in range(8):
        own = columns % 8 == turn
        pull = (result - kernel) @ gamma[:, own] @ np.linalg.inv(gamma[np.ix_(own, own)])
        tried = result.copy()
        tried[:, own] = round_to_grid(
            (result[:, own] - pull)[None],
            sigma[None],
            scale[:, :, own],
            largest=1,
            sweeps=2,
            start=result[None, :, own],
        )[0]
        if loss(tried - kernel, sigma, gamma) < loss(result - kernel, sigma, gamma):
            result = tried
    np.testing.assert_array_equal(take_turns(kernel, alone, sigma, gamma, scale[0], 1), result)


@given(st.integers(1, 12), st.integers(1, 20), seeds, st.floats(0.001, 1))
@settings(max_examples=60, deadline=None)
def test_turns_with_a_toll_never_cost_more(d: int, c: int, seed: int, price: float) -> None:
    """What all columns lose together, and what their steps cost."""
    kernel, sigma, gamma = case(d, c, seed)
    scale = clipped(kernel, 7)
    start = nearest(kernel[None], scale, 7)[0]
    toll = Toll(code_of(start / scale), price)

    def cost(rounded: np.ndarray) -> float:
        steps = np.rint(rounded / scale[0])
        np.testing.assert_allclose(rounded / scale[0], steps, atol=1e-9)
        return loss(rounded - kernel, sigma, gamma) + price * float(toll.bits[steps.astype(int) + 7].sum())

    found = take_turns(kernel, start, sigma, gamma, scale[0], 7, toll)
    assert cost(found) <= cost(start) * (1 + 1e-9)


@pytest.mark.parametrize(("price", "moves"), [(0.02, False), (0.05, True)])
@pytest.mark.parametrize(("weight", "start", "cheaper"), [(0.6, 1, 0), (6.6, 7, 6)])
def test_a_turn_may_lose_what_it_saves_in_toll(
    weight: float, start: int, cheaper: int, price: float, moves: bool
) -> None:
    """½ (0.6² − 0.4²) = 0.1 for three bits fewer; of a largest step, too."""
    one, bits = np.ones((1, 1)), np.full(15, 4.0)
    bits[cheaper + 7] = 1
    found = take_turns(weight * one, start * one, one, one, one, 7, Toll(bits, price))
    assert found.item() == (cheaper if moves else start)


def test_channels_that_are_apart_are_left_alone() -> None:
    kernel, sigma, _ = case(40, 24, 1)
    scale = clipped(kernel, 3)
    alone = round_to_grid(kernel[None], sigma[None], scale, largest=3, sweeps=50)[0]
    assert np.array_equal(take_turns(kernel, alone, sigma, np.eye(24), scale[0], 3), alone)


@pytest.mark.parametrize("seed", range(8))
def test_no_other_scales_are_better(seed: int) -> None:
    kernel, sigma, gamma = case(72, 32, seed)
    scale = clipped(kernel, 3)
    alone = round_to_grid(kernel[None], sigma[None], scale, largest=3)[0]
    moved, best = rescale(kernel, alone, sigma, gamma, scale[0])
    np.testing.assert_allclose(moved, np.rint(alone / scale[0]) * best, rtol=1e-9)
    lowest = loss(moved - kernel, sigma, gamma)
    assert lowest < loss(alone - kernel, sigma, gamma)
    coupled = round_coupled(kernel, alone, sigma, gamma, scale[0], 3)
    assert loss(coupled - kernel, sigma, gamma) < lowest
    for best_of_all in (moved, coupled):
        lowest = loss(best_of_all - kernel, sigma, gamma)
        for channel in range(32):
            for other in (0.99, 1.01):
                changed = best_of_all * np.where(np.arange(32) == channel, other, 1)
                assert loss(changed - kernel, sigma, gamma) >= lowest * (1 - 1e-4)


def test_no_scale_is_negative() -> None:
    kernel, sigma, gamma = case(3, 8, 0)  # fewer inputs than channels: the least squares optimum turns some around
    scale = clipped(kernel, 1)
    alone = round_to_grid(kernel[None], sigma[None], scale, largest=1)[0]
    moved, best = rescale(kernel, alone, sigma, gamma, scale[0])
    assert np.all(best > 0)
    assert np.array_equal(np.sign(moved), np.sign(alone))


def test_a_clipped_weight_may_come_back() -> None:
    """Of two weights beyond the grid one tells it, the other goes where the first's error asks it to."""
    kernel, sigma = np.array([[4.0], [1.6]]), np.array([[1.0, 0.99], [0.99, 1.0]])
    rounded = round_to_grid(kernel[None], sigma[None], np.ones((1, 1, 1)), largest=1)[0]
    assert rounded.tolist() == [[1.0], [1.0]]
    kernel = np.array([[1.6], [-4.0]])
    rounded = round_to_grid(kernel[None], sigma[None], np.ones((1, 1, 1)), largest=1)[0]
    assert rounded.tolist() == [[-1.0], [-1.0]]  # the larger of the two tells it
    kernel = np.array([[1.6], [-1.0]])
    rounded = round_to_grid(kernel[None], sigma[None], np.ones((1, 1, 1)), largest=1)[0]
    assert rounded.tolist() == [[1.0], [0.0]]
