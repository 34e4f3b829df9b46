"""Meet a budget: the share of the original network's bytes (or MACs) that may be kept.

The price of everything that no candidate touches (depthwise kernels, biases of layers left alone, the file's frame) is
the original file's true figure less the sites' dense price. Zero biases of equal length share one buffer, which no
sum over sites can express: the plan is priced whole, the bytes saved are given back to the budget, and the solver
runs again while that helps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from compiler.backend.targets.target import Target
from compiler.errors import Infeasible
from compiler.solver.knapsack import knapsack
from compiler.types import DENSE, Candidate, Choice, Cost, Inventory

UNITS = {"params": "weight_bytes", "bytes": "file_bytes", "macs": "macs"}
ROUNDS = 4
TOLERANCE = 2e-6  # of a limit: HiGHS lets half of this pass

Menus = Mapping[str, Sequence[Candidate]]


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
    menus: Menus, inventory: Inventory, target: Target, original: Cost, factor: float, budget: str = "params"
) -> Solution:
    """The plan of least predicted loss that keeps at most `factor` of `original` in the unit of `budget`.

    Raises Infeasible with the smallest reachable factor and the layers that stand in the way.
    """
    unit = UNITS[budget]
    sites = inventory.sites
    whole = getattr(original, unit)
    untouched = whole - getattr(target.total((site, DENSE) for site in sites), unit)
    losses = [np.array([c.predicted_loss for c in menus[site.name]]) for site in sites]
    costs = [np.array([[getattr(c.cost, unit)] for c in menus[site.name]], float) for site in sites]
    allowed = factor * whole - untouched
    smallest = [menus[site.name][int(np.argmin(cost[:, 0]))].choice for site, cost in zip(sites, costs, strict=True)]
    reachable = priced(smallest, inventory, target, untouched, unit) / whole
    if reachable > factor:
        raise Infeasible(refusal(reachable, factor, untouched / whole, inventory, costs, whole))
    # Where the solver's tolerance or what sites share keeps every round above the budget, the smallest plan stands.
    best = Solution(
        tuple((site.name, choice) for site, choice in zip(sites, smallest, strict=True)),
        tuple(float(loss[np.argmin(cost[:, 0])]) for loss, cost in zip(losses, costs, strict=True)),
        reachable,
    )
    granted = allowed
    for _ in range(ROUNDS):
        try:
            picks = knapsack(losses, costs, [granted])
        except Infeasible:
            picks = tuple(int(np.argmin(cost[:, 0])) for cost in costs)
        chosen = [menus[site.name][pick] for site, pick in zip(sites, picks, strict=True)]
        kept = priced([c.choice for c in chosen], inventory, target, untouched, unit)
        if kept <= factor * whole:
            solution = Solution(
                tuple((site.name, c.choice) for site, c in zip(sites, chosen, strict=True)),
                tuple(c.predicted_loss for c in chosen),
                kept / whole,
            )
            if solution.predicted_loss >= best.predicted_loss:
                break
            best = solution
        slack = factor * whole - kept
        if 0 <= slack < 1e-3 * whole:
            break
        granted += slack if slack > 0 else slack - TOLERANCE * abs(granted)
    return best


def priced(choices: Sequence[Choice], inventory: Inventory, target: Target, untouched: float, unit: str) -> float:
    """Price of a whole plan, what no candidate touches included."""
    return untouched + getattr(target.total(zip(inventory.sites, choices, strict=True)), unit)


def smallest_factor(menus: Menus, inventory: Inventory, target: Target, original: Cost, budget: str) -> float:
    """The smallest share that any combination of candidates reaches."""
    unit = UNITS[budget]
    whole = getattr(original, unit)
    untouched = whole - getattr(target.total((site, DENSE) for site in inventory.sites), unit)
    cheapest = [min(menus[s.name], key=lambda c: getattr(c.cost, unit)).choice for s in inventory.sites]
    return priced(cheapest, inventory, target, untouched, unit) / whole


def refusal(
    reachable: float, factor: float, untouched: float, inventory: Inventory, costs: Sequence[np.ndarray], whole: int
) -> str:
    """The sentence of an unreachable budget."""
    shares = sorted(
        ((float(cost.min()) / whole, site.name) for site, cost in zip(inventory.sites, costs, strict=True)),
        reverse=True,
    )
    largest = ", ".join(f"{name} {100 * share:.1f} %" for share, name in shares[:3])
    return (
        f"--compression_factor {factor:g} can't be met: the smallest reachable is {np.ceil(1e4 * reachable) / 1e4:.4f} "
        f"(layers left alone keep {100 * untouched:.1f} % of the network, the largest others at their smallest "
        f"{largest}); ask for that factor or more, or allow more structures."
    )
