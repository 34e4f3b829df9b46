"""Stages that begin are timed, and added up by name."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import cost
from benchmarks.solver_bench import brute_force, exactness


def test_stages_of_one_name_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    times = {"wall": 0.0}
    monkeypatch.setattr(cost, "now", lambda: (times["wall"], times["wall"] / 2))
    with cost.Profile() as profile:
        for wall, title in ((1, "Fitting 12 layers"), (4, "Running the original: LiteRT"), (9, "Fitting 3 layers")):
            times["wall"] = wall
            profile.stage(title)
        times["wall"] = 10
    seconds = {title: (entry["seconds"], entry["processor_seconds"]) for title, entry in profile.stages.items()}
    assert seconds == {"Starting": (1, 0.5), "Fitting layers": (4, 2), "Running the original": (5, 2.5)}


def test_the_solver_is_exact_on_small_instances() -> None:
    found = exactness(24)
    assert found["exact"] == 24
    assert found["out_of_reach"] > 0


def test_brute_force_tries_every_plan() -> None:
    losses = [np.array([0.0, 1.0]), np.array([0.0, 3.0])]
    costs = [np.array([[4.0], [1.0]]), np.array([[4.0], [1.0]])]
    assert brute_force(losses, costs, np.array([8.0])) == 0
    assert brute_force(losses, costs, np.array([5.0])) == 1
    assert brute_force(losses, costs, np.array([2.0])) == 4
    assert brute_force(losses, costs, np.array([1.0])) is None
