"""A whole curve as one figure."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.areas import area

BUDGETS = (0.2, 0.5, 0.9)


def rows(*losses: Any) -> dict[str, Any]:
    found = {}
    for budget, loss in zip(BUDGETS, losses, strict=True):
        good = {"loss": loss, "original": 0.9, "classes": 10}
        found[f"m {budget:.2f} synthetic"] = good if isinstance(loss, float) else loss
    return found


def test_the_area_is_the_mean_of_a_constant() -> None:
    assert area(rows(0.1, 0.1, 0.1), "m", "synthetic", BUDGETS) == pytest.approx(0.1)


def test_trapezoids_weigh_by_width() -> None:
    # (0.3 + 0.1)/2 · 0.3 + (0.1 + 0)/2 · 0.4, over 0.7
    assert area(rows(0.3, 0.1, 0.0), "m", "synthetic", BUDGETS) == pytest.approx(0.08 / 0.7)
    assert area(rows(0.3, 0.1, 0.0), "m", "synthetic", BUDGETS[::-1]) == pytest.approx(0.08 / 0.7)


def test_a_budget_out_of_reach_costs_all_but_guessing() -> None:
    reached = area(rows(0.8, 0.1, 0.0), "m", "synthetic", BUDGETS)
    missed = area(rows({"error": "can't", "infeasible": True}, 0.1, 0.0), "m", "synthetic", BUDGETS)
    assert missed == pytest.approx(reached)
    never = rows(*3 * [{"error": "can't", "infeasible": True}]) | {"other 0.50 real": {"original": 0.9, "classes": 10}}
    assert area(never, "m", "synthetic", BUDGETS) == pytest.approx(0.8)


def test_what_failed_or_was_not_measured_has_no_area() -> None:
    assert area(rows({"error": "crash", "infeasible": False}, 0.1, 0.0), "m", "synthetic", BUDGETS) is None
    assert area(rows(0.1, 0.1, 0.0), "m", "real", BUDGETS) is None
    known = rows(0.1, 0.1, 0.0)
    del known["m 0.50 synthetic"]
    assert area(known, "m", "synthetic", BUDGETS) is None
