"""The bisection on made-up losses, steep, smooth and noisy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler.errors import Infeasible
from compiler.solver.fixed_loss import MOST_EVALUATIONS, RESOLUTION, fixed_loss

SLOW = [HealthCheck.too_slow]  # a busy machine is no failure


class Network:
    """`attempt` of a network whose loss is a function of the factor; remembers what was asked."""

    def __init__(self, loss_at) -> None:  # type: ignore[no-untyped-def]
        self.loss_at, self.asked = loss_at, []

    def __call__(self, factor: float) -> tuple[str, float]:
        self.asked.append(factor)
        return f"made at {factor}", float(self.loss_at(factor))


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(edge=st.floats(0.0, 1.0), lowest=st.floats(0.02, 0.98))
def test_finds_the_edge_of_a_monotone_loss(edge: float, lowest: float) -> None:
    network = Network(lambda factor: 0.0 if factor >= edge else 1.0)
    tried = fixed_loss(network, lowest, 0.1)
    best = tried[-1]
    assert best.loss <= 0.1
    assert best.factor - max(edge, lowest) < RESOLUTION
    assert len(network.asked) <= MOST_EVALUATIONS
    assert all(lowest <= factor <= 1 for factor in network.asked)


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(slope=st.floats(0.01, 1.0), bound=st.floats(0.005, 0.5), lowest=st.floats(0.02, 0.9))
def test_uses_the_bound_of_a_smooth_loss(slope: float, bound: float, lowest: float) -> None:
    network = Network(lambda factor: slope * (1 - factor))
    best = fixed_loss(network, lowest, bound)[-1]
    assert best.loss <= bound
    assert best.factor - max(1 - bound / slope, lowest) < RESOLUTION


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(seed=st.integers(0, 10_000), noise=st.floats(0.0, 0.05), lowest=st.floats(0.02, 0.9))
def test_noise_never_lets_a_loss_above_the_bound_through(seed: int, noise: float, lowest: float) -> None:
    random = np.random.default_rng(seed)
    network = Network(lambda factor: 0.2 * (1 - factor) + noise * random.standard_normal())
    try:
        tried = fixed_loss(network, lowest, 0.05)
    except Infeasible:
        tried = []
    assert len(network.asked) <= MOST_EVALUATIONS
    assert all(attempt.loss <= 0.05 for attempt in tried)
    factors = [attempt.factor for attempt in tried]
    assert factors == sorted(factors, reverse=True)
    assert all(attempt.attempt == f"made at {attempt.factor}" for attempt in tried)


@pytest.mark.parametrize("lowest", [0.23, 0.5, 0.8, 1.0])
def test_comes_down_to_the_lowest_where_nothing_is_lost(lowest: float) -> None:
    network = Network(lambda factor: 0.0)
    assert fixed_loss(network, lowest, 0.0)[-1].factor - lowest < RESOLUTION
    assert len(network.asked) == len(set(network.asked))


def test_falls_back_to_factor_one() -> None:
    network = Network(lambda factor: 0.0 if factor == 1 else 1.0)
    assert [attempt.factor for attempt in fixed_loss(network, 0.1, 0.5)] == [1.0]


@pytest.mark.parametrize("most", [2, 3, 4, MOST_EVALUATIONS])
@pytest.mark.parametrize("lowest", [0.1, 1.0])
def test_says_what_dense_loses_where_even_that_is_too_much(most: int, lowest: float) -> None:
    network = Network(lambda factor: 0.04 + 0.3 * (1 - factor))
    with pytest.raises(Infeasible, match=r"--max_acc_loss 0.02 can't be met: .*dense the int8 file loses 4\.00 %"):
        fixed_loss(network, lowest, 0.02, most=most)
    assert network.asked.count(1.0) == 1
    assert len(network.asked) <= most


@pytest.mark.parametrize("most", [2, 3, 5, 8])
def test_keeps_to_fewer_evaluations(most: int) -> None:
    network = Network(lambda factor: 0.0 if factor >= 0.71 else 1.0)
    assert fixed_loss(network, 0.05, 0.5, most=most)[-1].loss == 0.0
    assert len(network.asked) <= most


def test_says_each_attempt() -> None:
    said: list[str] = []
    fixed_loss(Network(lambda factor: 1 - factor), 0.4, 0.3, say=said.append)
    assert said[0] == "factor 0.500 loses 50.00 %, too much"
    assert said[1] == "factor 0.750 loses 25.00 %"
    assert said[2] == "factor 0.625 loses 37.50 %, too much; best so far 0.750"


def test_an_estimate_is_called_one() -> None:
    said: list[str] = []
    fixed_loss(Network(lambda factor: 1 - factor), 0.4, 0.3, say=said.append, estimated=True)
    assert said[0] == "factor 0.500 loses an estimated 50.00 %, too much"
    assert said[1] == "factor 0.750 loses an estimated 25.00 %"
    with pytest.raises(
        Infeasible, match=r"the int8 file loses an estimated 4\.00 %; ask for more, .*--data to measure"
    ):
        fixed_loss(Network(lambda factor: 0.04), 0.1, 0.02, estimated=True)


class Limited(Network):
    """A network none of whose files below `least` keeps its limits."""

    def __init__(self, loss_at, least: float) -> None:  # type: ignore[no-untyped-def]
        super().__init__(loss_at)
        self.least = least

    def __call__(self, factor: float) -> tuple[str, float]:
        made = super().__call__(factor)
        if factor < self.least:
            raise Infeasible(f"no file keeps {factor}")
        return made


@pytest.mark.parametrize("least", [0.3, 0.6, 0.97])
def test_a_budget_that_no_file_keeps_is_too_small(least: float) -> None:
    """Whether a plan was accepted before or none yet."""
    said: list[str] = []
    network = Limited(lambda factor: 0.0, least)
    assert 0 <= fixed_loss(network, 0.1, 0.1, say=said.append)[-1].factor - least < RESOLUTION
    assert any(text.endswith("can't be met") for text in said)
    assert len(network.asked) <= MOST_EVALUATIONS


@pytest.mark.parametrize("most", [2, MOST_EVALUATIONS])
@pytest.mark.parametrize("lowest", [0.1, 1.0])
def test_raises_where_no_budget_can_be_kept(lowest: float, most: int) -> None:
    with pytest.raises(Infeasible, match=r"no file keeps 1\.0"):
        fixed_loss(Limited(lambda factor: 0.0, 1.1), lowest, 0.1, most=most)


def test_the_plan_that_leaves_every_layer_dense_may_keep_more_than_the_original() -> None:
    network = Network(lambda factor: 0.0 if factor > 1.04 else 1.0)
    assert 1.04 < fixed_loss(network, 0.2, 0.1, 1.05)[-1].factor <= 1.05
    with pytest.raises(Infeasible, match="even with every layer left dense"):
        fixed_loss(network, 0.2, 0.1)
