"""Budgets over random networks and menus: never exceeded, priced as the target prices, refused with the way out."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler.backend.targets import TARGETS
from compiler.errors import Infeasible
from compiler.solver.fixed_params import UNITS, fixed_params, smallest_factor
from compiler.types import DENSE, Candidate, Choice, ConvSite, Cost, Inventory

SLOW = [HealthCheck.too_slow]  # a busy machine is no failure
CHANNELS = (4, 8, 12, 16, 32)  # few, so that zero biases of equal length meet


@dataclass(frozen=True)
class Case:
    inventory: Inventory
    menus: dict[str, tuple[Candidate, ...]]
    target: str
    original: Cost


@st.composite
def choices(draw: st.DrawFn, site: ConvSite) -> Choice:
    rank_in = draw(st.sampled_from([c for c in CHANNELS if c <= site.c_in]))
    rank_out = draw(st.sampled_from([c for c in CHANNELS if c <= site.c_out]))
    chain = Choice("svd", (min(rank_in, rank_out),)) if site.kernel_size == (1, 1) else Choice(
        "tucker2", (rank_in, rank_out)
    )  # fmt: skip
    branch = Choice("none", (), "filter", None, rank_out)
    return draw(st.sampled_from([chain, branch, Choice(chain.chain, chain.ranks, "channel", None, rank_in)]))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    target = TARGETS[draw(st.sampled_from(["mobile", "cortex_m"]))]
    sites, menus = [], {}
    for index in range(draw(st.integers(1, 4))):
        site = ConvSite(
            f"conv{index}",
            "conv",
            draw(st.sampled_from([(1, 1), (3, 3)])),
            draw(st.sampled_from(CHANNELS)),
            draw(st.sampled_from(CHANNELS)),
            padding="same",
            positions=draw(st.sampled_from([1, 16, 64])),
        )
        offered = dict.fromkeys([DENSE, *draw(st.lists(choices(site), max_size=4))])
        sites.append(site)
        menus[site.name] = tuple(
            Candidate(c, target.cost(site, c), 0.0 if c == DENSE else draw(st.floats(0.001, 10.0))) for c in offered
        )
    rest = Cost(draw(st.integers(0, 500)), draw(st.integers(500, 5000)), draw(st.integers(0, 5000)))
    return Case(Inventory(tuple(sites)), menus, target.name, target.total((s, DENSE) for s in sites) + rest)


def total(case: Case, choices: tuple[tuple[str, Choice], ...]) -> Cost:
    """Price of the whole file under a plan, reckoned from the target alone."""
    target, sites = TARGETS[case.target], case.inventory.sites
    dense = target.total((site, DENSE) for site in sites)
    plan = target.total((case.inventory.site(name), choice) for name, choice in choices)
    return Cost(
        case.original.weight_bytes - dense.weight_bytes + plan.weight_bytes,
        case.original.file_bytes - dense.file_bytes + plan.file_bytes,
        case.original.macs - dense.macs + plan.macs,
    )


def smallest(case: Case, budget: str) -> float:
    return smallest_factor(case.menus, case.inventory, TARGETS[case.target], case.original, budget)


def solve(case: Case, factor: float, budget: str):  # type: ignore[no-untyped-def]
    return fixed_params(case.menus, case.inventory, TARGETS[case.target], case.original, factor, budget)


@settings(max_examples=80, deadline=None, suppress_health_check=SLOW)
@given(cases(), st.floats(0.02, 1.0), st.sampled_from(sorted(UNITS)))
def test_a_budget_is_never_exceeded(case: Case, factor: float, budget: str) -> None:
    unit = UNITS[budget]
    try:
        solution = solve(case, factor, budget)
    except Infeasible:
        assert smallest(case, budget) > factor
        return
    assert [name for name, _ in solution.choices] == [site.name for site in case.inventory.sites]
    price = getattr(total(case, solution.choices), unit)
    assert price <= factor * getattr(case.original, unit)
    assert solution.kept == pytest.approx(price / getattr(case.original, unit), rel=1e-12)
    by_choice = {(n, c.choice): c.predicted_loss for n, menu in case.menus.items() for c in menu}
    assert solution.predicted_loss == pytest.approx(sum(by_choice[pair] for pair in solution.choices))


@settings(max_examples=80, deadline=None, suppress_health_check=SLOW)
@given(cases(), st.sampled_from(sorted(UNITS)), st.data())
def test_a_budget_at_the_very_sum_of_some_prices_is_kept(case: Case, budget: str, data: st.DataObject) -> None:
    """What files share, and zero points of new lengths, put the whole off that sum to either side."""
    unit, menus = UNITS[budget], case.menus.values()
    picks = [data.draw(st.sampled_from(menu)) for menu in menus]
    saved = sum(getattr(menu[0].cost, unit) - getattr(c.cost, unit) for menu, c in zip(menus, picks, strict=True))
    factor = 1 - saved / getattr(case.original, unit)
    if 0 < factor <= 1 and smallest(case, budget) <= factor:
        solution = solve(case, factor, budget)
        # As a file is judged: the product of factor and total may round below the very sum.
        assert getattr(total(case, solution.choices), unit) / getattr(case.original, unit) <= factor


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(cases(), st.floats(0.1, 1.0), st.sampled_from(["params", "macs"]))
def test_no_plan_that_fits_by_the_sum_of_its_sites_loses_less(case: Case, factor: float, budget: str) -> None:
    """Sharing between sites only makes a plan cheaper, in weights; of MACs nothing is shared."""
    unit = UNITS[budget]
    names = [site.name for site in case.inventory.sites]
    dense = TARGETS[case.target].total((site, DENSE) for site in case.inventory.sites)
    allowed = factor * getattr(case.original, unit) - getattr(case.original, unit) + getattr(dense, unit)
    fitting = [
        sum(c.predicted_loss for c in picks)
        for picks in itertools.product(*(case.menus[name] for name in names))
        if sum(getattr(c.cost, unit) for c in picks) <= allowed
    ]
    if fitting:
        assert solve(case, factor, budget).predicted_loss <= min(fitting) * (1 + 1e-5) + 1e-9


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(cases(), st.sampled_from(sorted(UNITS)))
def test_a_refusal_names_a_factor_that_works(case: Case, budget: str) -> None:
    lowest = smallest(case, budget)
    asked = 0.9 * lowest - 1e-4
    if not asked > 0:
        return
    with pytest.raises(Infeasible) as refused:
        solve(case, asked, budget)
    found = re.search(r"the smallest reachable is (\d\.\d{4})", str(refused.value))
    assert found, str(refused.value)
    named = float(found[1])
    assert lowest <= named <= lowest + 2e-4
    assert solve(case, named, budget).kept <= named


def test_a_refusal_names_the_layers_in_the_way() -> None:
    target = TARGETS["mobile"]
    small, large = ConvSite("small", "conv", (1, 1), 4, 4), ConvSite("large", "conv", (3, 3), 32, 32)
    inventory = Inventory((small, large))
    menus = {site.name: (Candidate(DENSE, target.cost(site, DENSE), 0.0),) for site in inventory.sites}
    original = target.total((site, DENSE) for site in inventory.sites) + Cost(1000, 1000, 0)
    with pytest.raises(
        Infeasible, match=r"--compression_factor 0.5 .*layers left alone keep 9\.6 %.*large 90\.1 %, small 0\.3 %"
    ):
        fixed_params(menus, inventory, target, original, 0.5)


def test_everything_dense_at_factor_one() -> None:
    target, site = TARGETS["mobile"], ConvSite("conv", "conv", (3, 3), 16, 16)
    smaller = Choice("tucker2", (8, 8))
    menu = (Candidate(DENSE, target.cost(site, DENSE), 0.0), Candidate(smaller, target.cost(site, smaller), 0.1))
    solution = fixed_params({"conv": menu}, Inventory((site,)), target, target.total([(site, DENSE)]), 1.0)
    assert solution.choices == (("conv", DENSE),)
    assert solution.predicted_loss == 0.0


def test_large_networks_keep_to_the_byte() -> None:
    """HiGHS allows a violation of one part in a million, which of a hundred megabytes is a hundred bytes."""
    target = TARGETS["mobile"]
    large, small = ConvSite("large", "conv", (3, 3), 4096, 4096), ConvSite("small", "conv", (3, 3), 16, 16)
    over, under, least = (Choice("tucker2", (rank, rank)) for rank in (8, 6, 1))
    losses = {DENSE: 0.0, over: 0.1, under: 0.2, least: 9.0}
    menus = {
        "large": (Candidate(DENSE, target.cost(large, DENSE), 0.0),),
        "small": tuple(Candidate(choice, target.cost(small, choice), loss) for choice, loss in losses.items()),
    }
    original = target.total([(large, DENSE), (small, DENSE)])
    wanted = target.total([(large, DENSE), (small, over)])
    factor = (wanted.weight_bytes - 1) / original.weight_bytes
    solution = fixed_params(menus, Inventory((large, small)), target, original, factor)
    assert solution.choices == (("large", DENSE), ("small", under))
