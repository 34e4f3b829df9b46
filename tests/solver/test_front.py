"""The walk along all hulls gives optima, and all that a price can give."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from compiler.solver.front import front, hull

menus = st.lists(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=5), min_size=1, max_size=3
)


def arrays(menu: list[list[tuple[int, int]]]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    losses, costs = ([np.array([entry[k] for entry in site], float) for site in menu] for k in (0, 1))
    return losses, costs


@given(menus)
def test_no_plan_beats_one_of_the_front(menu: list[list[tuple[int, int]]]) -> None:
    losses, costs = arrays(menu)
    every = [
        (sum(c[i] for c, i in zip(costs, picks, strict=True)), sum(v[i] for v, i in zip(losses, picks, strict=True)))
        for picks in itertools.product(*(range(len(v)) for v in losses))
    ]
    seen = []
    for picks in front(losses, costs):
        cost = sum(c[i] for c, i in zip(costs, picks, strict=True))
        loss = sum(v[i] for v, i in zip(losses, picks, strict=True))
        assert loss == min(v for c, v in every if c <= cost)
        seen.append((cost, loss))
    assert seen == sorted(seen)
    assert seen[0][0] == min(c for c, _ in every)
    assert seen[-1][1] == min(v for _, v in every)
    for price in (0.3, 1.0, 2.5):  # whatever a price prefers is on the front
        assert min(v + price * c for c, v in every) == min(v + price * c for c, v in seen)


def test_a_hull_leaves_out_what_lies_above() -> None:
    cost, loss = np.array([0.0, 1, 2, 3, 4]), np.array([10.0, 9, 2, 1, 0])
    assert hull(loss, cost) == [0, 2, 4]
    assert hull(np.array([3.0, 3, 5]), np.array([1.0, 2, 0])) == [2, 0]
