from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multinomial

from compiler.evidence.intervals import (
    clopper_pearson,
    clopper_pearson_upper,
    mcnemar_p,
    mean_interval,
    paired_interval,
    root_ratio_interval,
)


@pytest.mark.parametrize(
    ("n", "p_lost", "p_won"), [(30, 0.1, 0.05), (30, 0.3, 0.3), (60, 0.02, 0.0), (60, 0.05, 0.05), (40, 0.4, 0.1)]
)
def test_paired_interval_covers_the_true_loss(n: int, p_lost: float, p_won: float) -> None:
    """Exact coverage: every possible table, weighted by its probability."""
    covered = 0.0
    for lost in range(n + 1):
        for won in range(n + 1 - lost):
            probability = multinomial.pmf([lost, won, n - lost - won], n, [p_lost, p_won, 1 - p_lost - p_won])
            if probability < 1e-7:
                continue
            low, high = paired_interval(lost, won, n)
            covered += probability * (low <= p_lost - p_won <= high)
    assert 0.93 <= covered <= (0.97 if n * min(p_lost, p_won) > 1 else 0.9995)  # counts of 0 or 1 are coarse


def test_paired_interval_solves_the_score_equation_by_brute_force() -> None:
    """The restricted likelihood is maximised on a grid here, by its closed form there."""
    lost, won, n = 12, 3, 80
    q = np.linspace(1e-9, 1 - 1e-9, 200_001)

    def score(delta: float) -> float:
        p_won = q[(q + delta > 0) & (2 * q + delta < 1)]
        likelihood = (
            won * np.log(p_won) + lost * np.log(p_won + delta) + (n - lost - won) * np.log(1 - 2 * p_won - delta)
        )
        best = p_won[np.argmax(likelihood)]
        return (lost - won - n * delta) / math.sqrt(n * (2 * best + delta * (1 - delta)))

    low, high = paired_interval(lost, won, n)
    assert score(low) == pytest.approx(1.959964, abs=1e-3)
    assert score(high) == pytest.approx(-1.959964, abs=1e-3)


def test_paired_interval_is_honest_where_nothing_changed() -> None:
    z2 = 1.959964**2
    assert paired_interval(0, 0, 100) == pytest.approx((-z2 / (100 + z2), z2 / (100 + z2)), abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 400), st.data())
def test_paired_interval_laws(n: int, data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, n))
    won = data.draw(st.integers(0, n - lost))
    low, high = paired_interval(lost, won, n)
    assert -1 <= low <= (lost - won) / n <= high <= 1
    mirrored = paired_interval(won, lost, n)
    assert mirrored == pytest.approx((-high, -low), abs=1e-6)
    wide_low, wide_high = paired_interval(lost, won, n, confidence=0.99)
    assert wide_low <= low + 1e-9
    assert high <= wide_high + 1e-9


def test_paired_interval_refuses_impossible_counts() -> None:
    with pytest.raises(ValueError, match="can't be"):
        paired_interval(6, 5, 10)


def test_mcnemar_is_the_binomial_tail() -> None:
    tail = sum(math.comb(12, k) for k in range(3)) / 2**12
    assert mcnemar_p(10, 2) == pytest.approx(2 * tail)
    assert mcnemar_p(2, 10) == mcnemar_p(10, 2)
    assert mcnemar_p(0, 0) == mcnemar_p(4, 4) == 1


@pytest.mark.parametrize(("events", "n"), [(0, 59), (3, 100), (99, 100)])
def test_clopper_pearson_leaves_five_percent_below(events: int, n: int) -> None:
    upper = clopper_pearson_upper(events, n)
    tail = sum(math.comb(n, k) * upper**k * (1 - upper) ** (n - k) for k in range(events + 1))
    assert tail == pytest.approx(0.05, rel=1e-6)
    low, high = clopper_pearson(events, n, confidence=0.9)
    assert high == pytest.approx(upper)
    assert clopper_pearson(n - events, n, confidence=0.9)[0] == pytest.approx(1 - upper)
    assert low <= events / n
    assert clopper_pearson_upper(n, n) == 1


def test_mean_interval_covers() -> None:
    rng = np.random.default_rng(0)
    inside = sum(low <= 0.3 <= high for low, high in (mean_interval(rng.normal(0.3, 2, 12)) for _ in range(2000)))
    assert 0.935 <= inside / 2000 <= 0.965
    assert mean_interval(np.ones(1)) == (-math.inf, math.inf)


def test_root_ratio_interval_covers() -> None:
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(1000):
        signals = rng.gamma(4, 1, 200)
        errors = signals * 0.01 * rng.gamma(2, 0.5, 200)  # expected ratio 0.01
        low, high = root_ratio_interval(errors, signals)
        inside += low <= 0.1 <= high
    assert 0.92 <= inside / 1000 <= 0.97
