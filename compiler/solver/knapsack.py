"""The exact multiple-choice knapsack: one candidate per site, least predicted loss, within every limit.

    minimise Σ_l loss[l, c_l]   subject to   Σ_l cost[l, c_l, m] ≤ limit[m]   for every resource m

Solved as a mixed-integer linear programme by HiGHS (`scipy.optimize.milp`); candidates that another of the same site
beats in loss and in every cost are dropped first, which changes no optimum. Multiple-choice knapsack: Sinha &
Zoltners, "The multiple-choice knapsack problem", 1979.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.optimize
import scipy.sparse

from compiler.errors import Infeasible


def knapsack(
    losses: Sequence[np.ndarray], costs: Sequence[np.ndarray], limits: Sequence[float], gap: float = 1e-6
) -> tuple[int, ...]:
    """Index of the chosen candidate of every site.

    `losses[l]` (n_l,), `costs[l]` (n_l, m) and `limits` (m,). `gap` is the relative optimality gap at which HiGHS may
    stop. Raises Infeasible when no combination is within the limits.
    """
    survivors = [undominated(loss, cost) for loss, cost in zip(losses, costs, strict=True)]
    sizes = [len(s) for s in survivors]
    loss = np.concatenate([np.asarray(lo, float)[s] for lo, s in zip(losses, survivors, strict=True)])
    cost = np.concatenate([np.asarray(c, float)[s] for c, s in zip(costs, survivors, strict=True)])
    bounds = np.asarray(limits, float)
    scale = np.maximum(np.abs(bounds), 1.0)
    site_of = np.repeat(np.arange(len(sizes)), sizes)
    one_each = scipy.sparse.csr_matrix((np.ones(len(loss)), (site_of, np.arange(len(loss)))))
    result = scipy.optimize.milp(
        loss / max(float(loss.max()), 1e-30),
        integrality=np.ones(len(loss)),
        bounds=scipy.optimize.Bounds(0, 1),
        constraints=[
            scipy.optimize.LinearConstraint(one_each, 1, 1),
            scipy.optimize.LinearConstraint((cost / scale).T, -np.inf, bounds / scale),
        ],
        options={"mip_rel_gap": gap},
    )
    if result.x is None:
        raise Infeasible("no combination of candidates is within the limits; raise the budget or relax a limit.")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return tuple(int(s[np.argmax(result.x[a : a + n])]) for s, a, n in zip(survivors, starts, sizes, strict=True))


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
