"""Rounding with the inputs in view: on the converter's grid, never worse than nearest rounding, no single move left."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.decompose import round_to_grid as module
from compiler.decompose.round_to_grid import grid_of, nearest, round_to_grid
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
