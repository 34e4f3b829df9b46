"""The best of a few clipped grids, channel by channel."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.decompose.best_scale import CLIPPED, LARGEST, best_scale
from compiler.decompose.round_to_grid import grid_of, nearest
from compiler.decompose.row_covariance import RowCovariance
from tests.decompose.cases import covariance, seeds


@given(st.integers(1, 12), st.integers(1, 6), seeds)
@settings(max_examples=60, deadline=None)
def test_no_other_of_the_clipped_grids_loses_less(d: int, c: int, seed: int) -> None:
    kernel, sigma = np.random.default_rng(seed).standard_t(3, size=(1, d, c)), covariance(d, seed)

    def error(scale: np.ndarray) -> np.ndarray:
        change = (nearest(kernel, scale, LARGEST) - kernel)[0]
        return np.einsum("ic,ij,jc->c", change, sigma, change)

    widest = grid_of(kernel, largest=LARGEST)
    best = best_scale(kernel, sigma)
    shares = (best / widest)[0, 0]
    assert np.all(np.abs(shares[:, None] - np.array(CLIPPED)).min(axis=1) < 1e-12)
    least = np.min([error(share * widest) for share in CLIPPED], axis=0)
    np.testing.assert_allclose(error(best), least, rtol=1e-9, atol=1e-15)


def test_heavy_tails_are_clipped_and_even_weights_are_not() -> None:
    random = np.random.default_rng(0)
    kernel = np.stack([random.standard_t(3, size=4000), random.uniform(-1, 1, size=4000)], axis=1)[None]
    shares = (best_scale(kernel, RowCovariance(np.zeros((1, 4000)), 1.0)) / grid_of(kernel, largest=LARGEST))[0, 0]
    assert shares[0] < 0.6
    assert shares[1] > 0.85
