"""The least that a limit can be set to within a budget: what a refusal names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from compiler.backend.targets.plan_model import PlanModel
from compiler.backend.targets.target import Target
from compiler.errors import Infeasible
from compiler.solver.fixed_params import Problem
from compiler.solver.limits import Limited, Limits, Menus
from compiler.types import Cost, Inventory

FLAGS = {"file_bytes": "--max_file_bytes", "arena_bytes": "--max_arena_bytes", "latency_ratio": "--max_latency_ratio"}
MARGIN = 1.02  # what is reachable is an estimate: the file itself may need a little more
FILE_MARGIN = 1.05  # where nearly every layer is split, operators are most of a file, and the estimate is roughest
STEPS = 12  # halvings of the range of RAM


class Reach:
    """Least figures of one network's plans that keep `factor` of the budget's unit."""

    def __init__(
        self,
        menus: Menus,
        inventory: Inventory,
        target: Target,
        original: Cost,
        factor: float,
        budget: str,
        model: PlanModel,
    ) -> None:
        self.menus, self.inventory, self.model = menus, inventory, model
        self.problem: Callable[[Limits], Problem] = lambda limits: Problem(
            menus, inventory, target, original, budget, Limited(limits, model)
        )
        self.factor = factor

    def least(self, name: str) -> float:
        """The least value of the limit `name` (a field of `Limits`) that a plan within the budget keeps."""
        return {"file_bytes": self.file_bytes, "arena_bytes": self.arena_bytes, "latency_ratio": self.latency_ratio}[
            name
        ]()

    def file_bytes(self) -> float:
        problem = self.problem(Limits(file_bytes=np.inf))
        picks = self._least(problem, [shared[:, 1] for shared in problem.shared])
        return float(problem.priced(picks)[1])

    def latency_ratio(self) -> float:
        problem = self.problem(Limits())
        times = [
            np.array([self.model.site_time(site.name, c.choice) for c in self.menus[site.name]])
            for site in self.inventory.sites
        ]
        return self.model.time_ratio(problem.plan(self._least(problem, times)))

    def arena_bytes(self) -> float:
        """By halving: RAM is no sum. Where the target streams, by trying kinds of layers."""
        if self.model.target.streams:
            problem = self.problem(Limits())
            picks = problem.thriftiest(self.model)
            if problem.solution(picks).kept > self.factor:
                picks = problem.smallest()
            return float(self.model.arena_bytes(problem.plan(picks)))
        found = self._with_arena(np.inf)
        assert found is not None, "the budget by itself is met"
        low, high = 0.0, found
        for _ in range(STEPS):
            middle = (low + high) / 2
            found = self._with_arena(middle)
            low, high = (middle, high) if found is None else (low, min(high, found))
        return high

    def _with_arena(self, limit: float) -> float | None:
        """RAM of a plan within the budget and `limit`; None where there is none."""
        problem = self.problem(Limits(arena_bytes=limit if np.isfinite(limit) else None))
        try:
            picks = problem.smallest()
        except Infeasible:
            return None
        if problem.solution(picks).kept > self.factor:
            return None
        return float(self.model.arena_bytes(problem.plan(picks)))

    def _least(self, problem: Problem, objective: Sequence[np.ndarray]) -> tuple[int, ...]:
        """The picks of least objective within the budget; the smallest plan where only what sites share keeps it."""
        granted = np.full(len(problem.units), np.inf)
        granted[0] = self.factor * problem.whole[0] - problem.untouched[0]
        try:
            return problem.solve(objective, granted)
        except Infeasible:
            return problem.smallest()


def blame(limits: Limits, reach: Reach) -> str:
    """The sentence of limits that can't be met: the first that can't by itself, with the least that can."""
    for name, flag in FLAGS.items():
        asked = getattr(limits, name)
        if asked is None:
            continue
        least = reach.least(name)
        if least > asked:
            enough = least * (FILE_MARGIN if name == "file_bytes" else MARGIN)
            return (
                f"{flag} {shown(asked)} can't be met within the budget: the smallest reachable is about "
                f"{shown(rounded_up(least))}; ask for {shown(rounded_up(enough))} or more, or let more of the network "
                "be kept."
            )
    given = [flag for name, flag in FLAGS.items() if getattr(limits, name) is not None]
    if len(given) == 1:
        return f"no plan within the budget was found that keeps {given[0]}; raise it, or keep more of the network."
    return (
        f"{' and '.join(given)} can't be met together within the budget; relax one of them, or let more of the network "
        "be kept."
    )


def rounded_up(value: float) -> float:
    """A ratio to three digits behind the point, bytes whole."""
    return float(np.ceil(1e3 * value) / 1e3 if value < 100 else np.ceil(value))


def shown(value: float) -> str:
    """A ratio to three digits, bytes as they are typed."""
    return f"{value:.4g}" if value < 100 else f"{value:.0f}"
