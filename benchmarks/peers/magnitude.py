"""Unstructured magnitude pruning, one shot, one threshold for the whole network.

    S_ij = K_ij where |K_ij| > t, else 0

t is the smallest for which the file keeps the budget. Stored in the smallest encoding that TFLite reads (ours, see
compiler/backend/sparse_format.py); a layer that this does not make smaller keeps all its weights, and a Dense too,
since LiteRT does not load sparse ones. Han, Pool, Tran & Dally, "Learning both weights and connections for efficient
neural networks", 2015 (without the retraining, which needs labelled data).
"""

from __future__ import annotations

import numpy as np

from benchmarks.peers.bench import Answer, Bench
from benchmarks.peers.split import split
from benchmarks.peers.within import saving, share, within
from compiler.decompose.factors import Factors
from compiler.types import Choice


def magnitude(bench: Bench) -> Answer:
    sizes = {site.name: np.sort(np.abs(bench.kernel(site)[0]).ravel()) for site in bench.sites}
    pooled = np.sort(np.concatenate(list(sizes.values())))

    def plan(density: float) -> dict[str, Choice]:
        threshold = pooled[min(len(pooled) - 1, round((1 - density) * len(pooled)))]
        kept = {name: len(s) - int(np.searchsorted(s, threshold, side="right")) for name, s in sizes.items()}
        return saving(bench, {n: Choice("none", (), "unstructured", None, max(1, k)) for n, k in kept.items()})

    choices = plan(within(lambda density: share(bench, plan(density)), bench.budget))
    factors = {}
    for site in bench.sites:
        if site.name in choices:
            kernel, _ = bench.kernel(site)
            factors[site.name] = Factors((), largest(kernel, choices[site.name].kept))
    return split(bench, choices, factors)


def largest(kernel: np.ndarray, count: int) -> np.ndarray:
    """`kernel` with all but its `count` largest weights 0."""
    flat = kernel.ravel()
    alive = np.argsort(-np.abs(flat), kind="stable")[:count]
    sparse = np.zeros_like(flat)
    sparse[alive] = flat[alive]
    return sparse.reshape(kernel.shape)
