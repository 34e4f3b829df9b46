"""Limits on RAM, time and file against all plans of small networks, enumerated."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from compiler.backend.targets import TARGETS
from compiler.backend.targets.plan_model import PlanModel
from compiler.errors import Infeasible
from compiler.solver.fixed_params import Problem, Solution, fixed_params, smallest_factor
from compiler.solver.limits import Limited, Limits, Menus
from compiler.solver.reach import Reach, blame
from compiler.types import DENSE, Candidate, Choice, ConvSite, Cost, Inventory
from tests.backend.targets.int8_network import residual_network

SITES = (
    ConvSite("stem", "conv", (3, 3), 4, 32, padding="same", positions=64, maps=((8, 8, 8, 8),)),
    ConvSite("a", "conv", (3, 3), 32, 32, padding="same", positions=64, maps=((8, 8, 8, 8),)),
    ConvSite("b", "conv", (3, 3), 32, 32, padding="same", positions=64, maps=((8, 8, 8, 8),)),
    ConvSite("down", "conv", (3, 3), 32, 64, (2, 2), padding="same", positions=16, maps=((8, 8, 4, 4),)),
    ConvSite("fc", "dense", (1, 1), 64, 10),
)
OFFERED = {
    "stem": [DENSE, Choice("tucker2", (4, 16))],
    "a": [DENSE, Choice("tucker2", (8, 8)), Choice("tucker2", (16, 24)), Choice("tucker2", (8, 8), "channel", kept=4)],
    "b": [
        DENSE,
        Choice("tucker2", (8, 16)),
        Choice("tucker2", (32, 16), "channel", kept=8),
        Choice("none", (), "filter", kept=8),
    ],
    "down": [DENSE, Choice("tucker2", (16, 16)), Choice("tucker2", (16, 16), "channel", kept=4)],
    "fc": [DENSE, Choice("svd", (4,))],
}
TFLITE = residual_network(32)
INVENTORY = Inventory(SITES)


def case(name: str) -> tuple[Menus, Cost, PlanModel]:
    """Menus, losses larger the cheaper and rising from site to site, and the original's price."""
    target = TARGETS[name]
    menus = {}
    for rank, site in enumerate(SITES, start=1):
        dense = target.cost(site, DENSE)
        menus[site.name] = tuple(
            Candidate(c, cost, 0.0 if c == DENSE else rank * 1.37 ** (2 - 2 * cost.weight_bytes / dense.weight_bytes))
            for c, cost in ((c, target.cost(site, c)) for c in OFFERED[site.name])
            if target.refusal(site, c) is None
        )
    original = target.total((site, DENSE) for site in SITES) + Cost(500, 3000, 0)
    return menus, original, PlanModel(TFLITE, SITES, target)


def plans(menus: Menus) -> list[tuple[dict[str, Choice], float, tuple[Candidate, ...]]]:
    """Every plan, its loss and its candidates."""
    picks = itertools.product(*(menus[site.name] for site in SITES))
    return [
        ({s.name: c.choice for s, c in zip(SITES, row, strict=True)}, sum(c.predicted_loss for c in row), row)
        for row in picks
    ]


def kept(name: str, original: Cost, plan: dict[str, Choice], unit: str = "weight_bytes") -> float:
    target = TARGETS[name]
    dense = target.total((site, DENSE) for site in SITES)
    total = target.total((site, plan[site.name]) for site in SITES)
    return getattr(original, unit) - getattr(dense, unit) + getattr(total, unit)


@pytest.mark.parametrize("name", ["mobile", "xcore", "cortex_m", "ethos_u"])
@pytest.mark.parametrize("quantile", [0.05, 0.25, 0.5, 0.9])
def test_no_plan_within_the_limit_on_ram_keeps_less(name: str, quantile: float) -> None:
    menus, original, model = case(name)
    arenas = sorted({model.arena_bytes(plan) for plan, *_ in plans(menus)})
    limit = arenas[int(quantile * (len(arenas) - 1))]
    problem = Problem(
        menus, INVENTORY, TARGETS[name], original, "macs", Limited(Limits(arena_bytes=limit), model)
    )  # of MACs nothing is shared
    solution = problem.solution(problem.smallest())
    assert model.arena_bytes(dict(solution.choices)) <= limit
    within = [kept(name, original, plan, "macs") for plan, *_ in plans(menus) if model.arena_bytes(plan) <= limit]
    assert solution.kept == pytest.approx(min(within) / original.macs)


@pytest.mark.parametrize("name", ["mobile", "xcore", "cortex_m", "ethos_u"])
def test_all_limits_at_once(name: str) -> None:
    menus, original, model = case(name)
    feasible = [
        (plan, loss)
        for plan, loss, row in plans(menus)
        if model.arena_bytes(plan) <= 1.2 * model.arena_bytes({})
        and model.time_ratio(plan) <= 0.9
        and kept(name, original, plan, "file_bytes") <= 0.95 * original.file_bytes
        and kept(name, original, plan) <= 0.8 * original.weight_bytes
    ]
    limits = Limits(0.95 * original.file_bytes, 1.2 * model.arena_bytes({}), None, 0.9)
    solution = fixed_params(menus, INVENTORY, TARGETS[name], original, 0.8, "params", Limited(limits, model))
    plan = dict(solution.choices)
    assert plan in [p for p, _ in feasible]
    assert solution.predicted_loss <= 1.02 * min(loss for _, loss in feasible)  # sharing between sites is no row
    assert 0 < len(feasible) < len(plans(menus)) / 2


@pytest.mark.parametrize("name", ["mobile", "xcore", "c"])
@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("factor", [0.5, 0.9])
def test_where_cuts_run_out_the_smallest_plan_is_improved(
    name: str, quantile: float, factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the limits, and not far from the best of all plans that are."""
    menus, original, model = case(name)
    every = plans(menus)
    arenas = sorted(model.arena_bytes(plan) for plan, *_ in every)
    limit = arenas[int(quantile * (len(arenas) - 1))]
    exact = Problem.solve

    def solve(self: Problem, objective: list[np.ndarray], granted: np.ndarray) -> tuple[int, ...]:
        if np.isfinite(granted[0]):
            raise Infeasible("no plan was found")
        return exact(self, objective, granted)

    monkeypatch.setattr(Problem, "solve", solve)
    limited = Limited(Limits(arena_bytes=limit), model)
    within = [
        loss
        for plan, loss, _ in every
        if kept(name, original, plan) <= factor * original.weight_bytes and model.arena_bytes(plan) <= limit
    ]
    if not within:
        with pytest.raises(Infeasible):
            fixed_params(menus, INVENTORY, TARGETS[name], original, factor, limited=limited)
        return
    found = fixed_params(menus, INVENTORY, TARGETS[name], original, factor, limited=limited)
    assert model.arena_bytes(dict(found.choices)) <= limit
    assert found.kept <= factor
    assert found.predicted_loss <= 1.3 * min(within)


def test_the_smallest_factor_keeps_the_limit() -> None:
    name = "cortex_m"
    menus, original, model = case(name)
    limit = 1.01 * model.arena_bytes({})
    within = [
        kept(name, original, plan) / original.weight_bytes
        for plan, *_ in plans(menus)
        if model.arena_bytes(plan) <= limit
    ]
    limited = Limited(Limits(arena_bytes=limit), model)
    lowest = smallest_factor(menus, INVENTORY, TARGETS[name], original, "params", limited)
    assert lowest == pytest.approx(min(within), abs=0.01)
    assert lowest > smallest_factor(menus, INVENTORY, TARGETS[name], original, "params")


def test_activations_alone_let_the_interpreter_keep_more() -> None:
    menus, original, model = case("cortex_m")
    strict = Limited(Limits(arena_bytes=model.arena_bytes({})), model)
    with pytest.raises(Infeasible):
        fixed_params(menus, INVENTORY, TARGETS["cortex_m"], original, 0.5, "params", strict)
    loose = Limited(Limits(activation_bytes=model.original_activations), model)
    plan = dict(fixed_params(menus, INVENTORY, TARGETS["cortex_m"], original, 0.5, "params", loose).choices)
    assert any(model.site_live(s, c) > model.original_activations for s, cs in OFFERED.items() for c in cs)
    assert all(model.site_live(name, choice) <= model.original_activations for name, choice in plan.items())
    assert model.arena_bytes(plan) > model.arena_bytes({})


def test_a_plan_that_packs_badly_is_cut_off_with_its_like() -> None:
    """Rows know what is alive, not how it packs: here they know nothing at all, and cuts find the plan."""
    menus, original, model = case("cortex_m")
    limit = sorted({model.arena_bytes(plan) for plan, *_ in plans(menus)})[2]
    limited = Limited(Limits(arena_bytes=limit), model)
    problem = Problem(menus, INVENTORY, TARGETS["cortex_m"], original, "params", limited)
    problem.costs, problem.bounds = problem.shared, problem.bounds[:0]
    prices = [shared[:, 0] for shared in problem.shared]
    picks = problem.solve(prices, problem.whole * 2)
    best = min(
        sum(c.cost.weight_bytes for c in row) for plan, _, row in plans(menus) if model.arena_bytes(plan) <= limit
    )
    assert sum(row[pick] for row, pick in zip(prices, picks, strict=True)) == best
    assert problem.cuts


@pytest.mark.parametrize(
    ("limits", "flag"),
    [
        (Limits(arena_bytes=2_000), "--max_arena_bytes 2000"),
        (Limits(latency_ratio=0.1), r"--max_latency_ratio 0\.1"),
        (Limits(file_bytes=4_000), "--max_file_bytes 4000"),
    ],
    ids=["arena", "time", "file"],
)
def test_a_refusal_names_a_limit_that_works(limits: Limits, flag: str) -> None:
    menus, original, model = case("cortex_m")
    reach = Reach(menus, INVENTORY, TARGETS["cortex_m"], original, 0.9, "params", model)
    text = blame(limits, reach)
    found = re.match(
        rf"{flag} can't be met within the budget: the smallest reachable is about ([\d.]+); ask for ([\d.]+) or", text
    )
    assert found, text
    assert 1.01 < float(found[2]) / float(found[1]) < 1.06  # files differ from estimates by a little
    field = next(f for f in ("arena_bytes", "latency_ratio", "file_bytes") if getattr(limits, f) is not None)
    for share, works in ((1.0, True), (0.9, False)):
        limited = Limited(Limits(**{field: share * float(found[1])}), model)
        if works:
            fixed_params(menus, INVENTORY, TARGETS["cortex_m"], original, 0.9, "params", limited)
        else:
            with pytest.raises(Infeasible):
                fixed_params(menus, INVENTORY, TARGETS["cortex_m"], original, 0.9, "params", limited)


@pytest.mark.parametrize("cuts", [0, 6])
@pytest.mark.parametrize("above", [1.0, 1.2, 1.6])
def test_where_operators_are_streamed_the_least_arena_is_found(
    above: float, cuts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No site bounds it: a few cuts are tried, and then kinds of layers."""
    monkeypatch.setattr("compiler.solver.fixed_params.FEW_CUTS", cuts)
    menus, original, model = case("c")
    least = min(model.arena_bytes(plan) for plan, *_ in plans(menus))
    assert least < 0.8 * model.arena_bytes({})
    reach = Reach(menus, INVENTORY, TARGETS["c"], original, 0.9, "params", model)
    text = blame(Limits(arena_bytes=0.5 * least), reach)
    assert f"the smallest reachable is about {least}; ask for" in text

    def plan(limit: float) -> Solution:
        limited = Limited(Limits(arena_bytes=limit), model)
        return fixed_params(menus, INVENTORY, TARGETS["c"], original, 0.9, "params", limited)

    solution = plan(above * least)
    assert model.arena_bytes(dict(solution.choices)) <= above * least
    assert solution.kept <= 0.9
    with pytest.raises(Infeasible):
        plan(least - 1)


def test_limits_that_exclude_each_other_are_both_named() -> None:
    menus, original, model = case("cortex_m")
    reach = Reach(menus, INVENTORY, TARGETS["cortex_m"], original, 1.0, "params", model)
    text = blame(Limits(arena_bytes=model.arena_bytes({}), latency_ratio=1.0), reach)
    assert text.startswith("--max_arena_bytes and --max_latency_ratio can't be met together")


@pytest.mark.parametrize(
    ("limits", "flag"),
    [(Limits(latency_ratio=0.1), "--max_latency_ratio"), (Limits(file_bytes=4_000), "--max_file_bytes")],
    ids=["time", "file"],
)
def test_a_refusal_names_the_limit_where_only_shared_biases_keep_the_budget(limits: Limits, flag: str) -> None:
    menus, original, model = case("cortex_m")
    lowest = smallest_factor(menus, INVENTORY, TARGETS["cortex_m"], original, "params")
    smallest = sum(min(c.cost.weight_bytes for c in entries) for entries in menus.values())
    dense = TARGETS["cortex_m"].total((site, DENSE) for site in SITES).weight_bytes
    assert (original.weight_bytes - dense + smallest) / original.weight_bytes > lowest + 1e-3  # summed up
    reach = Reach(menus, INVENTORY, TARGETS["cortex_m"], original, lowest + 1e-4, "params", model)
    assert blame(limits, reach).startswith(f"{flag} ")
