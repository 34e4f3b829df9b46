"""Menus of several sites at once: the same bits for any number of cores, and every site reported."""

from __future__ import annotations

import numpy as np

from compiler.backend.targets import TARGETS
from compiler.decompose.metric import Metric, damped
from compiler.run.menus import menus
from compiler.solver.candidates import menu_of
from compiler.types import ConvSite, Inventory

SITES = (
    ConvSite("small", "conv", (3, 3), 4, 8, positions=16),
    ConvSite("large", "conv", (3, 3), 12, 16, positions=16),
    ConvSite("logits", "dense", (1, 1), 24, 10),
)


def test_the_number_of_jobs_changes_no_bit() -> None:
    random = np.random.default_rng(0)
    kernels = {s.name: random.normal(size=s.kernel_shape).astype(np.float32) for s in SITES}
    metrics = {}
    for site in SITES:
        inputs = random.normal(size=(4 * site.weights, site.weights // site.c_out)).astype(np.float32)
        feels = random.normal(size=(4 * site.c_out, site.c_out)).astype(np.float32)
        metrics[site.name] = Metric(damped(np.cov(inputs.T)), damped(np.cov(feels.T)))
    counts = []
    found = []
    for jobs in (1, 2):
        steps: list[None] = []
        found.append(
            menus(
                Inventory(SITES),
                kernels,
                metrics,
                TARGETS["mobile"],
                menu_of("hybrid", "block", (4, 2)),
                jobs=jobs,
                advance=lambda steps=steps: steps.append(None),
            )
        )
        counts.append(len(steps))
    assert found[0] == found[1]
    assert found[0].keys() == {site.name for site in SITES}
    assert counts == [len(SITES)] * 2
