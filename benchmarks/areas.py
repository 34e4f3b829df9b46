"""A method's whole curve as one figure, to watch over time: the mean drop of accuracy over all budgets.

    area = 1/(b_n − b_1) ∫ drop(b) db,  b from 0.2 to 0.9, by trapezoids

A budget that the method can't keep counts as the loss of everything that guessing does not give back: the original's
accuracy less 1/classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def area(rows: Mapping[str, Any], method: str, data: str, budgets: Sequence[float]) -> float | None:
    """Mean drop (0 to 1) over `budgets`; None where a row is missing, failed for another reason than the budget, or
    where nothing is known of the original's accuracy."""
    known = [rows.get(f"{method} {budget:.2f} {data}") for budget in budgets]
    one = next((row for row in rows.values() if "error" not in row), None)  # the original is the same in all
    if one is None or any(row is None or ("error" in row and not row["infeasible"]) for row in known):
        return None
    guessing = 0.0 if not one["classes"] else 1 / one["classes"]
    everything = 1.0 if one["original"] is None else one["original"] - guessing
    drops = [everything if row is None or "error" in row else row["loss"] for row in known]
    order = np.argsort(budgets)
    x, y = np.asarray(budgets)[order], np.asarray(drops)[order]
    return float(np.sum((y[1:] + y[:-1]) / 2 * np.diff(x)) / (x[-1] - x[0])) if len(x) > 1 else float(y[0])
