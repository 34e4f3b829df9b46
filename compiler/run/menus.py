"""Menus of all sites, side by side on the cores at hand or on a cluster; the same bits however many workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from compiler.backend.targets.target import Target
from compiler.decompose.metric import Metric
from compiler.run import cluster
from compiler.solver.candidates import Menu, candidates
from compiler.types import Candidate, ConvSite, Inventory

Found = tuple[str, tuple[Candidate, ...]]


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
    """Candidates of every site. `kernels` are HWIO. Within `compiler.run.cluster.on_cluster` sites go there."""
    largest_first = sorted(inventory.sites, key=lambda site: -site.weights)
    tasks = [(site, kernels[site.name], metrics[site.name], target, menu) for site in largest_first]
    result: dict[str, tuple[Candidate, ...]] = {}
    for name, found in spread(tasks, jobs):
        result[name] = found
        advance()
    return result


def spread(tasks: list[tuple[Any, ...]], jobs: int) -> Iterator[Found]:
    """What `one` makes of each, as they get done (Ray's backend has all of them at the end)."""
    kind = cluster.active()
    if kind is None:
        pool: Any = Parallel(n_jobs=jobs, backend="threading", return_as="generator_unordered")
        yield from pool(delayed(one)(*task) for task in tasks)
        return
    pool = Parallel(return_as="list" if kind == "ray" else "generator_unordered", pre_dispatch="all", batch_size=1)
    yield from pool(delayed(alone)(*task) for task in tasks)


def one(site: ConvSite, kernel: np.ndarray, metric: Metric, target: Target, menu: Menu) -> Found:
    return site.name, candidates(site, kernel, metric, target, menu)


def alone(*task: Any) -> Found:
    """`one` in a process of a cluster: a sum that several BLAS threads add up may differ in its last bits."""
    with threadpool_limits(1, user_api="blas"):
        return one(*task)
