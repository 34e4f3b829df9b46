from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.result import Result, sparse_density
from compiler.types import Choice, ConvSite

SITE = ConvSite("conv", "conv", (3, 3), 16, 32)


@pytest.mark.parametrize(("budget", "kept"), [("params", 2970 / 6000), ("bytes", 5500 / 9000), ("macs", 0.5)])
def test_kept_is_counted_in_the_budgets_unit(result: Result, budget: str, kept: float) -> None:
    assert replace(result, budget=budget).kept == pytest.approx(kept)


@pytest.mark.parametrize(
    ("choice", "density"),
    [
        (Choice(), None),
        (Choice("none", (), "unstructured", None, 1152), 0.25),
        (Choice("none", (), "filter", None, 8), 0.25),
        (Choice("none", (), "channel", None, 4), 0.25),
        (Choice("none", (), "block", (4, 4), 72), 0.25),
        (Choice("none", (), "block", (5, 32), 9), 0.25),  # blocks at the edge count whole
    ],
)
def test_density_is_the_share_of_groups_kept(choice: Choice, density: float | None) -> None:
    assert sparse_density(SITE, choice) == density
