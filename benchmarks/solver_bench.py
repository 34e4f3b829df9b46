"""The solver: its plans against brute force, and its time at 500 layers × 1,000 candidates.

    python benchmarks/solver_bench.py            a few minutes; writes benchmarks/results/solver.json

Exactness: random instances small enough to try every plan. A plan counts as exact where its loss is the least that any
plan within the limits has, to the gap that the solver is asked for (1e-6). Time, of the processor: instances whose
candidates lie as those of real menus do (losses that fall geometrically with the price, scattered about that), and ones
without any order, which no menu looks like; one and three resources.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from compiler.errors import Infeasible  # noqa: E402
from compiler.solver.knapsack import knapsack  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "solver.json"
GAP = 1e-6  # the solver's default
KINDS = ("as menus are", "without order")
SIZES = ((50, 100), (100, 300), (200, 1000), (500, 1000))

Instance = tuple[list[np.ndarray], list[np.ndarray], np.ndarray]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=400, help="against brute force [default: %(default)s]")
    parser.add_argument("--repeats", type=int, default=3, help="of each time [default: %(default)s]")
    parser.add_argument("--largest", type=int, default=500, help="sites at most [default: %(default)s]")
    given = parser.parse_args()
    found: dict[str, Any] = {"suite": "solver", "machine": platform.machine(), "python": platform.python_version()}
    found["exactness"] = exactness(given.instances)
    print(found["exactness"], flush=True)
    found["times"] = []
    for sites, candidates in SIZES:
        for kind in KINDS:
            for resources in (1, 3):
                if sites <= given.largest:
                    found["times"].append(timed(kind, sites, candidates, resources, given.repeats))
                    print(found["times"][-1], flush=True)
                    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


def instance(kind: str, sites: int, candidates: int, resources: int, generator: np.random.Generator) -> Instance:
    """Losses (n,) and costs (n, resources) of each site, and limits (resources,) between the least and the dense."""
    losses, costs = [], []
    for _ in range(sites):
        size = np.exp(generator.normal(9, 1))  # layers of a network differ by orders of magnitude
        share = generator.uniform(0.02, 1, candidates)
        if kind == "as menus are":
            scatter = np.exp(generator.normal(0, 0.3, candidates))
            loss = np.exp(generator.normal(0, 1.5)) * np.exp(-6 * share) * scatter
        else:
            loss = generator.uniform(0, 1, candidates)
        others = share[:, None] * np.exp(generator.normal(0, 0.2, (candidates, resources - 1)))
        cost = size * np.concatenate([share[:, None], others], axis=1)
        loss[0], cost[0] = 0.0, size  # dense
        losses.append(loss)
        costs.append(np.rint(cost))
    least, most = (np.sum([f(c, axis=0) for c in costs], axis=0) for f in (np.min, np.max))
    return losses, costs, least + generator.uniform(0.2, 0.7) * (most - least)


def exactness(instances: int) -> dict[str, Any]:
    """How many of random small instances are solved to the least loss that trying every plan finds."""
    exact, infeasible, worst = 0, 0, 0.0
    for seed in range(instances):
        generator = np.random.default_rng(seed)
        sites, candidates, resources = generator.integers(2, 6), generator.integers(2, 9), generator.integers(1, 4)
        kind = KINDS[seed % 2]
        losses, costs, limits = instance(kind, int(sites), int(candidates), int(resources), generator)
        if seed % 8 == 0:
            limits = limits * 0.3  # some are out of reach
        least = brute_force(losses, costs, limits)
        try:
            picks = knapsack(losses, costs, list(limits))
        except Infeasible:
            infeasible += least is None
            exact += least is None
            continue
        spent = np.sum([cost[pick] for cost, pick in zip(costs, picks, strict=True)], axis=0)
        loss = sum(float(lo[pick]) for lo, pick in zip(losses, picks, strict=True))
        within = bool(np.all(spent <= limits * (1 + 1e-6)))
        if least is not None:
            worst = max(worst, (loss - least) / max(least, 1e-12) if loss > least + 1e-12 else 0.0)
        exact += within and least is not None and loss <= least * (1 + 10 * GAP) + 1e-9
    return {"instances": instances, "exact": exact, "out_of_reach": infeasible, "largest_relative_excess": worst}


def brute_force(losses: list[np.ndarray], costs: list[np.ndarray], limits: np.ndarray) -> float | None:
    """The least loss of any plan within the limits; None where there is none."""
    best: float | None = None
    for picks in itertools.product(*(range(len(loss)) for loss in losses)):
        spent = np.sum([cost[pick] for cost, pick in zip(costs, picks, strict=True)], axis=0)
        if np.all(spent <= limits):
            loss = sum(float(lo[pick]) for lo, pick in zip(losses, picks, strict=True))
            best = loss if best is None else min(best, loss)
    return best


def timed(kind: str, sites: int, candidates: int, resources: int, repeats: int) -> dict[str, Any]:
    """Processor seconds of one solve (median and worst of different instances), and the peak of memory so far."""
    seconds: list[float] = []
    for seed in range(repeats):
        losses, costs, limits = instance(kind, sites, candidates, resources, np.random.default_rng(seed))
        began = time.process_time()  # what others do on the machine is not the solver's time
        knapsack(losses, costs, list(limits))
        seconds.append(time.process_time() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {
        "kind": kind,
        "sites": sites,
        "candidates": candidates,
        "resources": resources,
        "seconds": float(np.median(seconds)),
        "worst_seconds": max(seconds),
        "peak_memory_bytes": peak,
    }


if __name__ == "__main__":
    sys.exit(main())
