"""The predicted front: plans that none beats at their price, from the smallest to the whole network."""

from __future__ import annotations

import numpy as np

from compiler.details import FrontPoint
from compiler.run.cached_menus import Menus
from compiler.run.session import Session
from compiler.run.wishes import Wishes
from compiler.solver.fixed_params import UNITS, Solution
from compiler.solver.front import front
from compiler.types import DENSE, Candidate, Cost


def solve(session: Session, offered: Menus, budget: str, factor: float) -> Solution:
    """The plan of least predicted loss within `factor` of the original; raises Infeasible."""
    return Wishes(session, offered, budget).plan(factor)[0]


def front_of(session: Session, offered: Menus, budget: str, points: int) -> tuple[FrontPoint, ...]:
    """At most `points` of them, evenly over the shares that they keep, smallest first."""
    unit = UNITS[budget]
    menus = [offered[site.name] for site in session.network.inventory.sites]
    losses = [np.array([c.predicted_loss for c in menu]) for menu in menus]
    costs = [np.array([getattr(c.cost, unit) for c in menu], float) for menu in menus]
    plans = front(losses, costs)
    spent = np.array([sum(cost[pick] for cost, pick in zip(costs, plan, strict=True)) for plan in plans])
    wanted = np.linspace(spent[0], spent[-1], points)
    shown = sorted({int(np.argmin(np.abs(spent - cost))) for cost in wanted})
    return tuple(point(session, [menu[pick] for menu, pick in zip(menus, plans[i], strict=True)], unit) for i in shown)


def point(session: Session, chosen: list[Candidate], unit: str) -> FrontPoint:
    price, original = priced(session, chosen), session.original.figures.cost
    return FrontPoint(
        getattr(price, unit) / getattr(original, unit),
        price.weight_bytes,
        price.file_bytes,
        price.macs,
        sum(c.predicted_loss for c in chosen),
    )


def priced(session: Session, chosen: list[Candidate]) -> Cost:
    """A whole plan, as the solver prices it: figures of the whole file, with the plan's price for that of the sites."""
    sites = session.inventory.sites
    before = session.target.total((site, DENSE) for site in sites)
    after = session.target.total((site, c.choice) for site, c in zip(sites, chosen, strict=True))
    return session.filled.cost - before + after
