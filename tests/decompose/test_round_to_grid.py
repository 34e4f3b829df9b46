"""Rounding with the inputs in view: on the converter's grid, never worse than nearest rounding, no single move left."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.decompose import round_to_grid as module
from compiler.decompose.round_to_grid import Toll, grid_of, nearest, round_to_grid
from tests.decompose.cases import seeds

shapes = st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 4))  # groups, inputs, outputs


def case(shape: tuple[int, int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Kernels (g, d, c) with some zeros, and correlated second moments (g, d, d)."""
    random = np.random.default_rng(seed)
    groups, d, _ = shape
    kernel = random.normal(size=shape).astype(np.float32) * random.choice([0.0, 1.0, 1.0, 1.0], size=shape)
    mixing = random.normal(size=(groups, d, d))
    sigma = mixing @ mixing.transpose(0, 2, 1) + 0.01 * np.eye(d)
    return kernel.astype(np.float32), sigma.astype(np.float32)


def losses(rounded: np.ndarray, kernel: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """½ δᵀΣδ of each column (g, c)."""
    error = (rounded - kernel).astype(np.float64)
    return 0.5 * np.einsum("gdc,gde,gec->gc", error, sigma.astype(np.float64), error)


@given(shapes, seeds, st.booleans())
@settings(max_examples=80, deadline=None)
def test_on_the_grid_and_never_worse_than_nearest(shape: tuple[int, int, int], seed: int, per_tensor: bool) -> None:
    kernel, sigma = case(shape, seed)
    grid = grid_of(kernel, per_tensor=per_tensor)
    rounded = round_to_grid(kernel, sigma, grid)
    whole = rounded / grid
    np.testing.assert_allclose(whole, np.rint(whole), atol=1e-3)
    assert np.all(rounded[kernel == 0] == 0)
    np.testing.assert_allclose(grid_of(rounded, per_tensor=per_tensor), grid, rtol=1e-6, atol=1e-30)
    before = losses(nearest(kernel, grid), kernel, sigma)
    assert np.all(losses(rounded, kernel, sigma) <= before * (1 + 1e-3) + 1e-12)


@given(shapes, seeds)
@settings(max_examples=40, deadline=None)
def test_no_single_weight_can_move(shape: tuple[int, int, int], seed: int) -> None:
    kernel, sigma = case(shape, seed)
    grid = grid_of(kernel)
    rounded = round_to_grid(kernel, sigma, grid, sweeps=200)
    best = losses(rounded, kernel, sigma)
    for i in range(shape[1]):
        free = (kernel[:, i] != 0) & (np.abs(rounded[:, i]) < 126.5 * grid[:, 0])
        for step in (-1, 1):
            moved = rounded.copy()
            moved[:, i] += np.where(free, step * grid[:, 0], 0)
            assert np.all(losses(moved, kernel, sigma) >= best * (1 - 1e-3) - 1e-9)


def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, sigma = case((2, 9, 3), 5)
    whole = round_to_grid(kernel, sigma, grid_of(kernel))
    monkeypatch.setattr(module, "BLOCK", 2)
    np.testing.assert_array_equal(round_to_grid(kernel, sigma, grid_of(kernel)), whole)


def test_correlated_inputs_gain() -> None:
    """Inputs that always come together: what one weight is rounded down by, another is rounded up by."""
    random = np.random.default_rng(0)
    kernel = random.normal(size=(1, 64, 8)).astype(np.float32)
    sigma = (np.ones((1, 64, 64)) + 0.01 * np.eye(64)).astype(np.float32)
    grid = grid_of(kernel)
    gained = losses(round_to_grid(kernel, sigma, grid), kernel, sigma)
    assert gained.sum() < 0.1 * losses(nearest(kernel, grid), kernel, sigma).sum()


between = st.floats(-9, 9).filter(lambda weight: abs(weight - round(weight)) > 1e-6)
tolls = st.lists(st.floats(0, 8), min_size=15, max_size=15).map(np.array)  # bits of −7 … 7


@given(between, st.floats(0.1, 10), tolls, st.floats(0, 2))
@settings(max_examples=200, deadline=None)
def test_a_weight_takes_the_neighbour_or_zero_that_costs_least_in_all(
    weight: float, variance: float, bits: np.ndarray, price: float
) -> None:
    """Of all points of the grid, where no toll is worth a step."""
    points = np.arange(-7, 8)
    costs = 0.5 * variance * (points - weight) ** 2 + price * bits
    kernel, sigma = np.full((1, 1, 1), weight), np.full((1, 1, 1), variance)
    found = round_to_grid(kernel, sigma, np.ones((1, 1, 1)), largest=7, pinned=False, toll=Toll(bits, price))
    below = int(np.clip(np.floor(weight), -7, 6))
    taken = costs[points == found[0, 0, 0]]
    assert taken == pytest.approx(costs[[below + 7, below + 8, 7]].min())
    if price * (bits.max() - bits.min()) < 0.75 * 0.5 * variance:
        assert taken == pytest.approx(costs.min())


@given(shapes, seeds, tolls, st.floats(0, 2), st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_descent_with_a_toll_never_costs_more(
    shape: tuple[int, int, int], seed: int, bits: np.ndarray, price: float, given_start: bool
) -> None:
    """In each column, what it loses and what its steps cost; from the nearest points or any other."""
    kernel, sigma = (array.astype(np.float64) for array in case(shape, seed))
    random = np.random.default_rng(seed)
    grid = random.uniform(0.3, 1, size=(shape[0], 1, shape[2]))
    start = nearest(kernel, grid, 7)
    if given_start:
        start = np.where(kernel != 0, random.integers(-7, 8, size=shape) * grid, 0)
    prices = price * random.uniform(0, 1, size=shape[2])

    def cost(rounded: np.ndarray) -> np.ndarray:
        return losses(rounded, kernel, sigma) + prices * bits[np.rint(rounded / grid).astype(int) + 7].sum(axis=1)

    rounded = round_to_grid(kernel, sigma, grid, largest=7, start=start, pinned=False, toll=Toll(bits, prices))
    np.testing.assert_allclose(rounded / grid, np.rint(rounded / grid), atol=1e-9)
    assert np.abs(rounded / grid).max() < 7.5
    assert np.all(rounded[kernel == 0] == 0)
    assert np.all(cost(rounded) <= cost(start) * (1 + 1e-9) + 1e-12)


@given(shapes, seeds, tolls)
@settings(max_examples=40, deadline=None)
def test_a_toll_that_costs_nothing_changes_nothing(shape: tuple[int, int, int], seed: int, bits: np.ndarray) -> None:
    kernel, sigma = case(shape, seed)
    grid = grid_of(kernel, largest=5)
    free, paid = (
        round_to_grid(kernel, sigma, grid, largest=7, pinned=False, toll=toll) for toll in (None, Toll(bits, 0.0))
    )
    np.testing.assert_array_equal(free, paid)


@pytest.mark.parametrize(("pinned", "found"), [(True, [1, 0]), (False, [0, 1])])
def test_a_largest_weight_moves_where_it_is_not_pinned(pinned: bool, found: list[int]) -> None:
    """Two inputs that come together, and a step between the two: the first in turn gives way, if it may."""
    kernel, sigma = np.array([[[0.7], [0.6]]]), np.array([[[1.0, 0.99], [0.99, 1.0]]])
    rounded = round_to_grid(kernel, sigma, np.ones((1, 1, 1)), largest=1, pinned=pinned)
    assert rounded.ravel().tolist() == found
