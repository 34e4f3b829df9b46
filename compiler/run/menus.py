"""Menus of all sites, side by side on the cores at hand; the same bits however many those are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from joblib import Parallel, delayed

from compiler.backend.targets.target import Target
from compiler.decompose.metric import Metric
from compiler.solver.candidates import Menu, candidates
from compiler.types import Candidate, ConvSite, Inventory


def menus(
    inventory: Inventory,
    kernels: dict[str, np.ndarray],
    metrics: dict[str, Metric],
    target: Target,
    menu: Menu,
    *,
    jobs: int,
    advance: Callable[[], None] = lambda: None,
) -> dict[str, tuple[Candidate, ...]]:
    """Candidates of every site. `kernels` are HWIO."""

    def one(site: ConvSite) -> tuple[str, tuple[Candidate, ...]]:
        return site.name, candidates(site, kernels[site.name], metrics[site.name], target, menu)

    largest_first = sorted(inventory.sites, key=lambda site: -site.weights)
    result: dict[str, tuple[Candidate, ...]] = {}
    pool = Parallel(n_jobs=jobs, backend="threading", return_as="generator_unordered")
    for name, found in pool(delayed(one)(site) for site in largest_first):
        result[name] = found
        advance()
    return result
