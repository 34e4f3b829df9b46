"""The solver beside enumeration, on problems small enough to enumerate."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler.errors import Infeasible
from compiler.solver.knapsack import knapsack, undominated

SLOW = [HealthCheck.too_slow]  # a busy machine is no failure
Problem = tuple[list[np.ndarray], list[np.ndarray], list[float]]


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Up to four sites of up to four candidates with whole losses and up to three resources."""
    sites, resources = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    losses, costs = [], []
    for _ in range(sites):
        count = draw(st.integers(1, 4))
        losses.append(np.array(draw(st.lists(st.integers(0, 9), min_size=count, max_size=count)), float))
        row = st.lists(st.integers(0, 9), min_size=resources, max_size=resources)
        costs.append(np.array(draw(st.lists(row, min_size=count, max_size=count)), float).reshape(count, resources))
    limits = draw(st.lists(st.integers(0, 9 * sites), min_size=resources, max_size=resources))
    return losses, costs, [float(limit) for limit in limits]


def loss_of(losses: list[np.ndarray], picks: tuple[int, ...]) -> float:
    return sum(float(loss[pick]) for loss, pick in zip(losses, picks, strict=True))


def cost_of(costs: list[np.ndarray], picks: tuple[int, ...]) -> np.ndarray:
    return np.sum([cost[pick] for cost, pick in zip(costs, picks, strict=True)], axis=0)


def least_loss(losses: list[np.ndarray], costs: list[np.ndarray], limits: list[float]) -> float | None:
    """By enumeration; None where nothing is within the limits."""
    every = itertools.product(*(range(len(loss)) for loss in losses))
    return min((loss_of(losses, picks) for picks in every if np.all(cost_of(costs, picks) <= limits)), default=None)


@settings(max_examples=50, deadline=None, suppress_health_check=SLOW)
@given(problems())
def test_finds_what_enumeration_finds(problem: Problem) -> None:
    losses, costs, limits = problem
    best = least_loss(losses, costs, limits)
    if best is None:
        with pytest.raises(Infeasible, match="no combination of candidates is within the limits; raise the budget"):
            knapsack(losses, costs, limits)
        return
    picks = knapsack(losses, costs, limits)
    assert len(picks) == len(losses)
    assert np.all(cost_of(costs, picks) <= limits)
    assert loss_of(losses, picks) == best


@settings(max_examples=50, deadline=None, suppress_health_check=SLOW)
@given(problems())
def test_removing_the_dominated_changes_no_optimum(problem: Problem) -> None:
    losses, costs, limits = problem
    kept = [undominated(loss, cost) for loss, cost in zip(losses, costs, strict=True)]
    fewer_losses = [loss[k] for loss, k in zip(losses, kept, strict=True)]
    fewer_costs = [cost[k] for cost, k in zip(costs, kept, strict=True)]
    assert least_loss(fewer_losses, fewer_costs, limits) == least_loss(losses, costs, limits)


@settings(max_examples=50, deadline=None, suppress_health_check=SLOW)
@given(problems())
def test_exactly_the_dominated_are_removed(problem: Problem) -> None:
    for loss, cost in zip(problem[0], problem[1], strict=True):
        rows = np.column_stack([loss, cost])
        kept = undominated(loss, cost)
        for index in kept:
            others = rows[[other for other in kept if other != index]]
            assert not np.any(np.all(others <= rows[index], axis=1))
        for index in set(range(len(rows))) - set(kept.tolist()):
            assert np.any(np.all(rows[kept] <= rows[index], axis=1))


def test_picks_count_in_the_callers_candidates() -> None:
    """The first candidate is dominated and dropped; the answer still counts it."""
    losses, costs = [np.array([5.0, 1.0, 0.0])], [np.array([[5.0], [2.0], [9.0]])]
    assert knapsack(losses, costs, [4.0]) == (1,)


def test_losses_of_any_scale_are_told_apart() -> None:
    """Nats of a calibrated menu may all be tiny."""
    losses = [np.array([0.0, 2e-9, 1e-9]), np.array([0.0, 3e-9, 4e-9])]
    costs = [np.array([[8.0], [1.0], [2.0]]), np.array([[8.0], [2.0], [1.0]])]
    assert knapsack(losses, costs, [4.0]) == (2, 1)
