"""The front of a whole network in one pass, without a budget: plans that no other beats at the price they have.

For a price λ of cost, every site's best candidate by loss + λ·cost lies on the lower convex hull of its menu, and the
sum over sites is the least loss at the cost that it comes to (Everett 1963, "Generalized Lagrange multiplier method
for solving problems of optimum allocation of resources"). So all these optima are found by walking the hulls of all
sites at once, steepest edge first. Between two of them only the knapsack knows better.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np


def front(losses: Sequence[np.ndarray], costs: Sequence[np.ndarray]) -> list[tuple[int, ...]]:
    """Picks, one index a site, from the cheapest plan to that of least loss. `losses` and `costs` are (n,) a site."""
    hulls = [hull(loss, cost) for loss, cost in zip(losses, costs, strict=True)]
    edges = []
    for site, (corners, loss, cost) in enumerate(zip(hulls, losses, costs, strict=True)):
        for a, b in pairwise(corners):
            edges.append((-(loss[a] - loss[b]) / (cost[b] - cost[a]), site, b))
    picks = [corners[0] for corners in hulls]
    found = [tuple(picks)]
    for _, site, corner in sorted(edges, key=lambda edge: edge[0]):
        picks[site] = corner
        found.append(tuple(picks))
    return found


def hull(loss: np.ndarray, cost: np.ndarray) -> list[int]:
    """Corners of the lower convex hull, from the least cost to the least loss."""
    corners: list[int] = []
    for i in np.lexsort((loss, cost)):
        if corners and loss[i] >= loss[corners[-1]]:
            continue
        while len(corners) > 1:
            a, b = corners[-2:]
            if (loss[a] - loss[b]) * (cost[i] - cost[a]) > (loss[a] - loss[i]) * (cost[b] - cost[a]):
                break
            corners.pop()
        corners.append(int(i))
    return corners
