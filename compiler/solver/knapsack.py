"""The exact multiple-choice knapsack: one candidate per site, least predicted loss, within every limit.

    minimise Σ_l loss[l, c_l]   subject to   Σ_l cost[l, c_l, m] ≤ limit[m]   for every resource m

Solved as a mixed-integer linear programme by HiGHS (`scipy.optimize.milp`); candidates that another of the same site
beats in loss and in every cost are dropped first, which changes no optimum. Limits that are no sums come as cuts: sets
of candidates that can't be had together. Multiple-choice knapsack: Sinha &
Zoltners, "The multiple-choice knapsack problem", 1979.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import scipy.optimize
import scipy.sparse

from compiler.errors import Infeasible
from compiler.solver.silent_stdout import silent_stdout

Cut = Mapping[int, Sequence[int]]
"""Candidates by site that can't be had together: at least one of these sites has to choose another than its own."""


def knapsack(
    losses: Sequence[np.ndarray],
    costs: Sequence[np.ndarray],
    limits: Sequence[float],
    gap: float = 1e-6,
    cuts: Sequence[Cut] = (),
) -> tuple[int, ...]:
    """Index of the chosen candidate of every site.

    `losses[l]` (n_l,), `costs[l]` (n_l, m) and `limits` (m,). `gap` is the relative optimality gap at which HiGHS may
    stop. Raises Infeasible when no combination is within the limits and the cuts.
    """
    in_cuts = {site for cut in cuts for site in cut}  # where a candidate is cut off, one that it beats may stand in
    survivors = [
        np.arange(len(loss)) if site in in_cuts else undominated(loss, cost)
        for site, (loss, cost) in enumerate(zip(losses, costs, strict=True))
    ]
    sizes = [len(s) for s in survivors]
    loss = np.concatenate([np.asarray(lo, float)[s] for lo, s in zip(losses, survivors, strict=True)])
    cost = np.concatenate([np.asarray(c, float)[s] for c, s in zip(costs, survivors, strict=True)])
    bounds = np.asarray(limits, float)
    scale = np.maximum(np.abs(bounds), 1.0)
    site_of = np.repeat(np.arange(len(sizes)), sizes)
    one_each = scipy.sparse.csr_matrix((np.ones(len(loss)), (site_of, np.arange(len(loss)))))
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    with silent_stdout():
        result = scipy.optimize.milp(
            loss / max(float(loss.max()), 1e-30),
            integrality=np.ones(len(loss)),
            bounds=scipy.optimize.Bounds(0, 1),
            constraints=[
                scipy.optimize.LinearConstraint(one_each, 1, 1),
                scipy.optimize.LinearConstraint((cost / scale).T, -np.inf, bounds / scale),
                *(cut_off(cut, starts, len(loss)) for cut in cuts),
            ],
            options={"mip_rel_gap": gap},
        )
    if result.x is None:
        raise Infeasible("no combination of candidates is within the limits; raise the budget or relax a limit.")
    return tuple(int(s[np.argmax(result.x[a : a + n])]) for s, a, n in zip(survivors, starts, sizes, strict=True))


def cut_off(cut: Cut, starts: np.ndarray, count: int) -> scipy.optimize.LinearConstraint:
    """At most one less than the cut's sites choose from it. Sites in cuts keep all candidates, in their order."""
    row = np.zeros(count)
    for site, candidates in cut.items():
        row[starts[site] + np.asarray(candidates)] = 1
    return scipy.optimize.LinearConstraint(row, -np.inf, len(cut) - 1)


def undominated(loss: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """Indices of the candidates that no other beats or equals in loss and every cost (one kept of equal ones)."""
    order = np.lexsort((*np.asarray(cost).T[::-1], np.asarray(loss)))
    kept: list[int] = []
    kept_costs = np.empty((0, cost.shape[1]))
    for index in order:
        if not np.any(np.all(kept_costs <= cost[index], axis=1)):
            kept.append(int(index))
            kept_costs = np.vstack([kept_costs, cost[index]])
    return np.array(sorted(kept))
