from __future__ import annotations

import pytest

from compiler.backend.sparsify import sparsify
from compiler.backend.targets import TARGETS
from compiler.backend.targets.arena import expanded_bytes
from compiler.backend.targets.graph import read_graph
from compiler.backend.targets.plan_model import PlanModel
from compiler.backend.targets.rewrite import match_sites, rewrite
from compiler.types import DENSE, Choice, ConvSite
from tests.backend.targets.int8_network import Int8Network, residual_network

SITES = (
    ConvSite("stem", "conv", (3, 3), 4, 32, padding="same", positions=64, maps=((8, 8, 8, 8),)),
    ConvSite("a", "conv", (3, 3), 32, 32, padding="same", positions=64, maps=((8, 8, 8, 8),)),
    ConvSite("b", "conv", (3, 3), 32, 32, padding="same", positions=64, maps=((8, 8, 8, 8),)),
    ConvSite("down", "conv", (3, 3), 32, 64, (2, 2), padding="same", positions=16, maps=((8, 8, 4, 4),)),
    ConvSite("fc", "dense", (1, 1), 64, 10),
)
PLAN = {"a": Choice("tucker2", (8, 8)), "down": Choice("tucker2", (16, 16), "channel", kept=4)}


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_the_dense_plan_is_the_original(name: str) -> None:
    tflite, target = residual_network(32), TARGETS[name]
    model = PlanModel(tflite, SITES, target)
    assert model.arena_bytes({}) == target.estimate_arena(read_graph(tflite))
    assert model.time_ratio({site.name: DENSE for site in SITES}) == 1


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_sites_bound_the_arena_and_add_up_to_the_time(name: str) -> None:
    model = PlanModel(residual_network(32), SITES, TARGETS[name])
    kept = model.rest_bytes + sum(model.site_kept(site, choice) for site, choice in PLAN.items())
    live = max(model.live_elsewhere, *(model.site_live(site.name, PLAN.get(site.name, DENSE)) for site in SITES))
    assert 0 <= kept + live <= model.arena_bytes(PLAN)
    assert live > 0 or TARGETS[name].streams  # where operators run together, nothing is whole
    change = sum(model.site_time(site, choice) - model.site_time(site, DENSE) for site, choice in PLAN.items())
    assert model.time_ratio(PLAN) == pytest.approx(1 + change / model.original_time)


def test_a_layer_split_beside_a_residual_needs_more_room() -> None:
    """Dense, three maps of 32 are alive at "b"; with a branch beside a chain, a fourth is."""
    model = PlanModel(residual_network(32), SITES, TARGETS["cortex_m"])
    hybrid = Choice("tucker2", (32, 16), "channel", kept=8)
    assert model.site_live("b", hybrid) >= 4 * 8 * 8 * 32 > model.site_live("b", DENSE)
    assert model.arena_bytes({"b": hybrid}) > model.arena_bytes({})


def test_a_shared_layer_takes_its_time_at_each_call() -> None:
    network = Int8Network((8, 8, 8))
    network.conv(8, 3)
    kernel = network.graph.operators[0].inputs[1]
    network.conv(8, 3)
    network.graph.operators[1].inputs[1] = kernel
    site = ConvSite("c", "conv", (3, 3), 8, 8, padding="same", calls=2, positions=128, maps=((8, 8, 8, 8),) * 2)
    model = PlanModel(network.tflite(), [site], TARGETS["mobile"])
    assert model.site_time("c", DENSE) == pytest.approx(model.original_time)


def test_a_replaced_kernel_is_no_longer_expanded() -> None:
    graph, target = read_graph(sparsify(residual_network(32, density=0.1))), TARGETS["mobile"]
    down = next(i for i, site in match_sites(graph, SITES).items() if site.name == "down")
    without = rewrite(graph, {down: (SITES[3], Choice("tucker2", (32, 32)))}, target)
    assert expanded_bytes(graph) - expanded_bytes(without) == 9 * 32 * 64


def test_the_original_has_the_arena_that_was_measured() -> None:
    tflite, target = residual_network(32), TARGETS["cortex_m"]
    guessed, told = PlanModel(tflite, SITES, target), PlanModel(tflite, SITES, target, 30_000)
    assert told.arena_bytes({}) == 30_000
    assert told.arena_bytes(PLAN) - told.arena_bytes({}) == guessed.arena_bytes(PLAN) - guessed.arena_bytes({})


def test_a_layer_that_the_file_does_not_hold_has_no_say() -> None:
    model = PlanModel(residual_network(16), SITES, TARGETS["mobile"])
    assert model.site_time("a", Choice("tucker2", (8, 8))) == 0
    assert model.arena_bytes({"a": Choice("tucker2", (8, 8))}) == model.arena_bytes({})
