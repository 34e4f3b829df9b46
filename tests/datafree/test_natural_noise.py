"""Pictures of nothing look like pictures: in range, and loud at low frequencies."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.datafree.natural_noise import natural_noise, smooth_noise


@pytest.mark.parametrize("shape", [(32, 32, 3), (8, 12, 1), (49, 10, 1), (24, 24, 5)], ids=str)
def test_pictures_are_between_0_and_1_and_vary(shape: tuple[int, ...]) -> None:
    noise = natural_noise(6, shape, np.random.default_rng(0))
    assert noise.shape == (6, *shape)
    assert noise.dtype == np.float32
    assert noise.min() >= 0
    assert noise.max() <= 1
    assert noise.std() > 0.05
    assert np.all(np.std(noise.reshape(6, -1), axis=1) > 0.01)
    assert np.std(noise.mean(axis=tuple(range(1, noise.ndim)))) > 0.01


@pytest.mark.parametrize("shape", [(40,), (16, 4), (4, 4, 8), (6, 6, 6, 2)], ids=str)
def test_what_is_no_picture_is_smooth_noise_about_a_half(shape: tuple[int, ...]) -> None:
    noise = natural_noise(200, shape, np.random.default_rng(0))
    assert noise.shape == (200, *shape)
    assert noise.dtype == np.float32
    assert noise.mean() == pytest.approx(0.5, abs=0.05)
    assert noise.std() == pytest.approx(0.22, abs=0.01)


def test_repeats_for_a_seed() -> None:
    first, again, other = (natural_noise(2, (16, 16, 3), np.random.default_rng(s)) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("make", [natural_noise, smooth_noise])
def test_neighbours_are_alike(make) -> None:  # type: ignore[no-untyped-def]
    """White noise would differ by √2 standard deviations from one pixel to the next."""
    noise = make(8, (32, 32, 3), np.random.default_rng(0)).astype(np.float64)
    step = np.sqrt(np.mean(np.diff(noise, axis=1) ** 2))
    assert step < noise.std()
