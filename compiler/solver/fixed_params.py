"""Meet a budget: the share of the original network's bytes (or MACs) that may be kept.

The price of everything that no candidate touches (depthwise kernels, biases of layers left alone, the file's frame) is
the original file's true figure less the sites' dense price, and less what is `dropped` from it exactly. Zero biases of
equal length share one buffer, which no sum over sites can express: the plan is priced whole, the bytes saved are given
back to the budget, and the solver runs again while that helps. Limits on the file, the RAM and the time are further
rows (`limits`). Where plans within the RAM are not found by cuts, the smallest is walked towards the best.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from compiler.backend.targets.plan_model import PlanModel
from compiler.backend.targets.target import Target
from compiler.errors import Infeasible
from compiler.solver.knapsack import Cut, knapsack
from compiler.solver.limits import Limited, Limits, Menus
from compiler.solver.thriftiest import thriftiest
from compiler.types import DENSE, Choice, Cost, Inventory

UNITS = {"params": "weight_bytes", "bytes": "file_bytes", "macs": "macs"}
ROUNDS = 8
TOLERANCE = 2e-6  # of a limit: HiGHS lets half of this pass, and now and then some more
MOST_CUTS = 40
FEW_CUTS = 6  # where a target streams, and estimates take longer
NOT_FOUND = "no plan was found within --max_arena_bytes; raise it a little."
APART = 1.5  # times the loss of a choice that needs too much RAM: the next that is tried in its place


@dataclass(frozen=True, slots=True)
class Solution:
    """One choice per site, their predicted losses (nats) and the priced share of the budget's unit that is kept."""

    choices: tuple[tuple[str, Choice], ...]
    losses: tuple[float, ...]
    kept: float

    @property
    def predicted_loss(self) -> float:
        """Of the whole plan: losses of layers add, to first order."""
        return sum(self.losses)


def fixed_params(
    menus: Menus,
    inventory: Inventory,
    target: Target,
    original: Cost,
    factor: float,
    budget: str = "params",
    limited: Limited | None = None,
) -> Solution:
    """The plan of least predicted loss that keeps at most `factor` of `original` in the unit of `budget`, and keeps
    the limits.

    Raises Infeasible with the smallest reachable factor and the layers that stand in the way.
    """
    problem = Problem(menus, inventory, target, original, budget, limited)
    whole, sites = getattr(original, UNITS[budget]), inventory.sites
    smallest = problem.smallest()
    best = problem.solution(smallest)
    if best.kept > factor:
        raise Infeasible(refusal(best.kept, factor, problem.untouched[0] / whole, inventory, problem.shared, whole))
    # Where the solver's tolerance or what sites share keeps every round above the budget, the smallest plan stands.
    losses = [np.array([c.predicted_loss for c in menus[site.name]]) for site in sites]
    allowed = np.array([factor * whole, *problem.most])
    granted, margin = allowed - problem.untouched, TOLERANCE
    for _ in range(ROUNDS):
        try:
            picks, exact = problem.solve(losses, granted), True
        except Infeasible:
            picks, exact = problem.improved(smallest, losses, granted), False
        slack = allowed - problem.priced(picks)
        if np.all(slack >= 0):
            solution = problem.solution(picks)
            if solution.predicted_loss >= best.predicted_loss:
                break
            best = solution
            if slack[0] < 1e-3 * whole or not exact:
                break
        granted += np.where(slack > 0, slack, slack - margin * np.abs(granted))
        margin *= 1 if np.all(slack >= 0) else 8
    return best


class Problem:
    """Menus and limits as arrays: what several solves of one run have in common, the cuts that they find among it."""

    def __init__(
        self,
        menus: Menus,
        inventory: Inventory,
        target: Target,
        original: Cost,
        budget: str,
        limited: Limited | None = None,
    ) -> None:
        self.menus, self.inventory, self.target, self.limited = menus, inventory, target, limited
        limits = Limits() if limited is None else limited.limits
        self.units = [UNITS[budget]]
        self.most: list[float] = []  # of the units behind the first
        if limits.file_bytes is not None:
            self.units.append("file_bytes")
            self.most.append(limits.file_bytes)
        dense = target.total((site, DENSE) for site in inventory.sites)
        self.whole = np.array([getattr(original, unit) for unit in self.units], float)
        rest = original - inventory.dropped - dense
        self.untouched = np.array([getattr(rest, unit) for unit in self.units], float)
        self.shared = [
            np.array([[getattr(c.cost, unit) for unit in self.units] for c in menus[site.name]], float)
            for site in inventory.sites
        ]
        rows = None if limited is None else limited.rows(menus, inventory.sites)
        self.bounds = np.zeros(0) if rows is None else rows.bounds
        self.costs = self.shared
        if rows is not None:
            self.costs = [np.hstack(pair) for pair in zip(self.shared, rows.costs, strict=True)]
        self.cuts: list[Cut] = []

    def smallest(self) -> tuple[int, ...]:
        """The picks that keep least of the budget's unit within the limits. Raises Infeasible where none does."""
        unit = [shared[:, 0] for shared in self.shared]
        if not self.most and not len(self.bounds) and not self.cuts:
            return tuple(int(np.argmin(cost)) for cost in unit)
        granted = np.array([np.inf, *self.most]) - self.untouched
        found: list[tuple[int, ...]] = []
        with suppress(Infeasible):
            found.append(self.solve(unit, granted))
        if self.limited is not None and self.limited.model.target.streams and len(self.cuts) > FEW_CUTS:
            picks = self.thriftiest(self.limited.model)
            if self.affords(picks, granted) and self.limited.fits(self.plan(picks)):
                found.append(picks)
        if found:
            return min(found, key=lambda picks: self.priced(picks)[0])
        if not self.most:
            raise Infeasible(NOT_FOUND)
        # Sites share bytes of the file, which rows of sums don't know: what the plan without the limit shares is lent.
        picks = self.solve(unit, np.full(len(granted), np.inf))
        shares = sum(cost[pick] for cost, pick in zip(self.shared, picks, strict=True)) - self.priced(picks)
        picks = self.solve(unit, granted + np.maximum(0.0, shares + self.untouched))
        if np.any(self.priced(picks)[1:] > self.most):
            raise Infeasible("no plan has a file as small as --max_file_bytes")
        return picks

    def solve(self, objective: Sequence[np.ndarray], granted: np.ndarray) -> tuple[int, ...]:
        """The picks of least objective within what is granted of each unit, the limits and the cuts."""
        finite = np.isfinite(granted)
        columns = np.concatenate([finite, np.ones(len(self.bounds), bool)])
        limited = self.limited
        streams = limited is not None and limited.model.target.streams
        for left in reversed(range(FEW_CUTS + 1 if streams else MOST_CUTS)):
            if limited is not None and streams and not left:
                self.cuts += limited.splitting(self.menus, self.inventory.sites)
            picks = knapsack(
                objective,
                [cost[:, columns] for cost in self.costs],
                [*granted[finite], *self.bounds],
                cuts=self.cuts,
            )
            if limited is None:
                return picks
            cut = limited.cut(self.plan(picks), self.menus)
            if cut is None:
                return picks
            self.cuts.append(cut)
        raise Infeasible(NOT_FOUND)

    def thriftiest(self, model: PlanModel) -> tuple[int, ...]:
        """The picks that need least RAM as `model` knows it, for targets that stream."""
        unit = self.units[0]
        if unit not in model.thriftiest:
            menus = {site.name: self.menus[site.name] for site in self.inventory.sites}
            model.thriftiest[unit] = thriftiest(menus, [shared[:, 0] for shared in self.shared], model)
        return model.thriftiest[unit]

    def improved(self, picks: tuple[int, ...], losses: Sequence[np.ndarray], granted: np.ndarray) -> tuple[int, ...]:
        """`picks`, which keep the limits, moved site by site towards the plan of least loss that ignores the RAM, as
        far as the limits let them: for where the cuts have run out. The site that gains most goes first; where its
        choice in that plan needs too much, another that costs no more takes its place; what is left of the budget is
        spent in a second round."""
        if self.limited is None:
            return picks
        try:
            aims = knapsack(losses, self.shared, [*granted])
        except Infeasible:
            return picks
        gains = [loss[pick] - loss[aim] for loss, pick, aim in zip(losses, picks, aims, strict=True)]
        order = np.argsort(gains)[::-1]
        for site in order:
            cheap = np.all(self.shared[site] <= self.shared[site][aims[site]], axis=1)
            picks = self.moved(picks, site, losses[site], np.flatnonzero(cheap), granted)
        for site in order:
            picks = self.moved(picks, site, losses[site], np.arange(len(losses[site])), granted)
        return picks

    def moved(
        self, picks: tuple[int, ...], site: int, loss: np.ndarray, offered: np.ndarray, granted: np.ndarray
    ) -> tuple[int, ...]:
        """`picks` with the choice of one site of least loss among those `offered` that keeps what is granted and the
        limits."""
        assert self.limited is not None
        needy = 0.0  # loss of a choice that needs too much RAM: one that loses little more will, too
        for pick in offered[np.argsort(loss[offered], kind="stable")]:
            if loss[pick] >= loss[picks[site]]:
                break
            moved = (*picks[:site], int(pick), *picks[site + 1 :])
            if loss[pick] < APART * needy or not self.affords(moved, granted):
                continue
            if self.limited.fits(self.plan(moved)):
                return moved
            needy = loss[pick]
        return picks

    def affords(self, picks: Sequence[int], granted: np.ndarray) -> bool:
        """Whether the picks stay within what is granted of each unit, and within the limits that are sums."""
        used = sum(cost[pick] for cost, pick in zip(self.costs, picks, strict=True))
        return bool(np.all(used <= [*granted, *self.bounds]))

    def plan(self, picks: Sequence[int]) -> dict[str, Choice]:
        """The choice of each site, by name."""
        sites = self.inventory.sites
        return {site.name: self.menus[site.name][pick].choice for site, pick in zip(sites, picks, strict=True)}

    def priced(self, picks: Sequence[int]) -> np.ndarray:
        """Price of a whole plan in each unit, what no candidate touches included."""
        total = self.target.total(zip(self.inventory.sites, self.plan(picks).values(), strict=True))
        return self.untouched + np.array([getattr(total, unit) for unit in self.units], float)

    def solution(self, picks: Sequence[int]) -> Solution:
        """The picks by name."""
        sites = self.inventory.sites
        chosen = [self.menus[site.name][pick] for site, pick in zip(sites, picks, strict=True)]
        return Solution(
            tuple((site.name, c.choice) for site, c in zip(sites, chosen, strict=True)),
            tuple(c.predicted_loss for c in chosen),
            float(self.priced(picks)[0] / self.whole[0]),
        )


def smallest_factor(
    menus: Menus,
    inventory: Inventory,
    target: Target,
    original: Cost,
    budget: str,
    limited: Limited | None = None,
) -> float:
    """The smallest share that any combination of candidates reaches within the limits."""
    problem = Problem(menus, inventory, target, original, budget, limited)
    return problem.solution(problem.smallest()).kept


def refusal(
    reachable: float, factor: float, untouched: float, inventory: Inventory, costs: Sequence[np.ndarray], whole: float
) -> str:
    """The sentence of an unreachable budget."""
    shares = sorted(
        ((float(cost[:, 0].min()) / whole, site.name) for site, cost in zip(inventory.sites, costs, strict=True)),
        reverse=True,
    )
    largest = ", ".join(f"{name} {100 * share:.1f} %" for share, name in shares[:3])
    return (
        f"--compression_factor {factor:g} can't be met: the smallest reachable is {np.ceil(1e4 * reachable) / 1e4:.4f} "
        f"(layers left alone keep {100 * untouched:.1f} % of the network, the largest others at their smallest "
        f"{largest}); ask for that factor or more, or allow more structures."
    )
