"""The size at equal accuracy: exact on a clean curve, near it on a noisy one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.equal_accuracy import Point, crossing, files_near, size_at


def test_between_two_sizes_in_a_straight_line() -> None:
    points = [Point(100, 0.03), Point(200, 0.01), Point(400, 0.0)]
    assert crossing(points, 0.02) == pytest.approx(150)
    assert crossing(points, 0.005) == pytest.approx(300)
    assert crossing(points, 0.05) == 100
    assert crossing(points, -0.01) is None
    assert crossing([], 0.01) is None


def test_neighbours_out_of_order_are_pooled() -> None:
    """A lucky small file and an unlucky larger one are both as good as their mean."""
    points = [Point(100, 0.05), Point(200, 0.0), Point(300, 0.04), Point(400, 0.0)]
    assert crossing(points, 0.02) == pytest.approx(200)
    assert crossing(points, 0.01) == pytest.approx(350)


@given(st.lists(st.tuples(st.floats(1, 100), st.floats(0, 1)), min_size=1, unique_by=lambda pair: pair[0]))
def test_less_may_be_lost_with_more_bytes_only(pairs: list[tuple[float, float]]) -> None:
    points = [Point(*pair) for pair in pairs]
    sizes = [crossing(points, bound) for bound in np.linspace(1, 0, 9)]
    found = [size for size in sizes if size is not None]
    assert found == sorted(found)
    assert None not in sizes[: len(found)]


def test_a_power_law_is_read_off_exactly() -> None:
    points = [Point(size, 0.01 * (300 / size) ** 3) for size in (150, 220, 290, 360, 430)]
    found = size_at(points, 0.01)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((300, 300, 300), rel=1e-4)


def test_far_files_have_no_say() -> None:
    """A network that breaks below some size follows no law there."""
    points = [Point(size, 0.01 * (300 / size) ** 3) for size in (220, 290, 360, 430)]
    assert size_at([*points, Point(150, 0.9)], 0.01) == size_at(points, 0.01)


def test_the_interval_holds_the_size_that_noise_hides() -> None:
    held = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        points = [Point(s, 0.01 * (300 / s) ** 3 + random.normal(0, 0.004)) for s in np.linspace(220, 400, 20)]
        found = size_at(points, 0.01)
        assert found is not None
        assert found.high - found.low < 150
        held += found.low <= 300 <= found.high
    assert held >= 16


def test_files_that_don_t_tell() -> None:
    assert size_at([], 0.01) is None
    assert size_at([Point(size, 0.02) for size in (100, 200, 300)], 0.01) is None
    assert size_at([Point(100, 0.5), Point(200, 0.001), Point(300, 0.0)], 0.01) is None  # two are near
    lossless = size_at([Point(size, 0.0) for size in (100, 200, 300)], 0.01)
    assert lossless is not None
    assert 100 <= lossless.low <= lossless.value <= lossless.high <= 300


def test_a_curve_with_noise() -> None:
    random = np.random.default_rng(0)
    asked = []

    def measure(share: float) -> Point | None:
        asked.append(share)
        return None if share < 0.1 else Point(share, 0.01 * (0.3 / share) ** 3 + random.normal(0, 0.002))

    points = files_near(measure, 0.01)
    found = size_at(points, 0.01)
    assert found is not None
    assert found.value == pytest.approx(0.3, rel=0.05)
    assert len(points) == len(asked) <= 27


def test_nothing_is_small_enough() -> None:
    assert files_near(lambda share: None, 0.01) == []
    points = files_near(lambda share: Point(share, 0.2), 0.01)
    assert [point.size for point in points] == [0.7, 1.0]
    points = files_near(lambda share: Point(share, 0.02 * (1 - share)), 0.001)  # only the whole network loses so little
    assert crossing(points, 0.001) == pytest.approx(0.95)
