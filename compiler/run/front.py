"""The predicted front: the solver's optimum at budgets from the smallest reachable one to the whole network."""

from __future__ import annotations

import numpy as np

from compiler.details import FrontPoint
from compiler.run.cached_menus import Menus
from compiler.run.session import Session
from compiler.solver.fixed_params import Solution, fixed_params, smallest_factor
from compiler.types import DENSE, Choice, Cost


def solve(session: Session, offered: Menus, budget: str, factor: float) -> Solution:
    """The plan of least predicted loss within `factor` of the original; raises Infeasible."""
    return fixed_params(offered, session.network.inventory, session.target, whole(session), factor, budget)


def front_of(session: Session, offered: Menus, budget: str, points: int) -> tuple[FrontPoint, ...]:
    """At most `points` optima, smallest first; budgets that lead to the same plan are one."""
    lowest = smallest_factor(offered, session.network.inventory, session.target, whole(session), budget)
    front: dict[float, FrontPoint] = {}
    for factor in np.linspace(min(1.0, 1.001 * lowest), 1.0, points):
        solution = solve(session, offered, budget, float(factor))
        price = priced(session, solution.choices)
        front[solution.kept] = FrontPoint(
            solution.kept, price.weight_bytes, price.file_bytes, price.macs, solution.predicted_loss
        )
    return tuple(front[kept] for kept in sorted(front))


def whole(session: Session) -> Cost:
    """The original's file."""
    figures = session.original.figures
    return Cost(figures.stored_weight_bytes, figures.file_bytes, figures.macs)


def priced(session: Session, choices: tuple[tuple[str, Choice], ...]) -> Cost:
    """A whole plan: the original's figures, with the price of the sites as they were replaced by the plan's."""
    sites = session.network.inventory.sites
    total = session.target.total
    dense, chosen = (
        total((site, DENSE) for site in sites),
        total((site, choice) for site, (_, choice) in zip(sites, choices, strict=True)),
    )
    original = whole(session)
    return Cost(
        original.weight_bytes - dense.weight_bytes + chosen.weight_bytes,
        original.file_bytes - dense.file_bytes + chosen.file_bytes,
        original.macs - dense.macs + chosen.macs,
    )
