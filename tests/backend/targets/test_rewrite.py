from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from compiler.backend.shrink import shrink
from compiler.backend.sparsify import sparsify
from compiler.backend.targets import TARGETS
from compiler.backend.targets.arena import expanded_bytes, live_tensors
from compiler.backend.targets.graph import Graph, read_graph
from compiler.backend.targets.plain_c import PlainC
from compiler.backend.targets.rewrite import local_graph, match_sites, rewrite
from compiler.types import DENSE, Choice, ConvSite
from tests.backend.networks import conv_file
from tests.backend.targets.int8_network import Int8Network, residual_network

CORTEX_M, MOBILE, ETHOS_U = (TARGETS[name] for name in ("cortex_m", "mobile", "ethos_u"))
SITE = ConvSite("conv", "conv", (3, 3), 16, 24, strides=(2, 2), padding="same", positions=16, maps=((8, 8, 4, 4),))

Layers = Callable[[Int8Network], object]


def network(middle: Layers) -> Graph:
    """stem, the layers under test, mean."""
    built = Int8Network((8, 8, 4), seed=1)
    built.conv(16, 3)
    middle(built)
    built.mean()
    return read_graph(built.tflite())


def shapes(graph: Graph) -> list[tuple[str, int, tuple[int, ...]]]:
    """What matters of a graph: operators in order, their arithmetic and their outputs."""
    return [(op.code, op.macs, graph.tensors[op.outputs[0]].shape) for op in graph.operators]


def tucker2(built: Int8Network) -> int:
    built.conv(4)
    built.conv(8, 3, 2)
    return built.conv(24)


def hybrid_channel(built: Int8Network) -> None:
    source = built.last
    built.gather([1, 2, 5, 9])
    branch = built.conv(24, 3, 2)
    built.last = source
    built.add(branch, tucker2(built))


def hybrid_whole(built: Int8Network) -> None:
    source = built.last
    chain = tucker2(built)
    built.add(chain, built.conv(24, 3, 2, source=source))


@pytest.mark.parametrize(
    ("target", "choice", "layers"),
    [
        (CORTEX_M, DENSE, lambda built: built.conv(24, 3, 2)),
        (CORTEX_M, Choice("tucker2", (4, 8)), tucker2),
        (CORTEX_M, Choice("tucker2", (4, 8), "channel", kept=4), hybrid_channel),
        (ETHOS_U, Choice("tucker2", (4, 8), "unstructured", kept=99), hybrid_whole),
    ],
)
def test_the_rewritten_graph_is_that_of_the_file(target: object, choice: Choice, layers: Layers) -> None:
    original, expected = network(lambda built: built.conv(24, 3, 2)), network(layers)
    rewritten = rewrite(original, {1: (SITE, choice)}, target)  # type: ignore[arg-type]
    assert shapes(rewritten) == shapes(expected)
    assert live_tensors(rewritten) == live_tensors(expected)
    assert rewritten.macs == expected.macs


def test_macs_are_those_of_the_price() -> None:
    original = network(lambda built: built.conv(24, 3, 2))
    for choice in (
        Choice("tucker4", (4, 8, 12)),
        Choice("cp", (20,)),
        Choice("tucker2", (4, 8), "filter", kept=4),
        Choice("none", structure="channel", kept=8),
    ):
        rewritten = rewrite(original, {1: (SITE, choice)}, CORTEX_M)
        change = rewritten.macs - original.macs
        assert change == CORTEX_M.cost(SITE, choice).macs - CORTEX_M.cost(SITE, DENSE).macs


def test_a_1x1_chain_strides_on_its_first_factor() -> None:
    site = ConvSite("p", "conv", (1, 1), 16, 24, strides=(2, 2), positions=16, maps=((8, 8, 4, 4),))
    original = network(lambda built: built.conv(24, 1, 2))
    rewritten = rewrite(original, {1: (site, Choice("svd", (8,)))}, CORTEX_M)
    assert [shape for *_, shape in shapes(rewritten)[1:3]] == [(1, 4, 4, 8), (1, 4, 4, 24)]


def test_a_scatter_pads_and_gathers() -> None:
    original = network(lambda built: built.conv(24, 3, 2))
    rewritten = rewrite(original, {1: (SITE, Choice("tucker2", (4, 8), "filter", kept=4))}, CORTEX_M)
    assert [code for code, *_ in shapes(rewritten)[4:8]] == ["CONV_2D", "PAD", "GATHER", "ADD"]


def test_a_sparse_kernel_is_expanded_once_beside_the_arena() -> None:
    wide = ConvSite("conv", "conv", (3, 3), 16, 24, strides=(2, 2), positions=16, maps=((8, 8, 4, 4),))
    choice = Choice("none", structure="unstructured", kept=300)
    rewritten = rewrite(network(lambda built: built.conv(24, 3, 2)), {1: (wide, choice)}, MOBILE)
    built = Int8Network((8, 8, 4), seed=1)
    built.conv(16, 3)
    built.conv(24, 3, 2, density=0.08)
    built.mean()
    written = read_graph(sparsify(built.tflite()))
    assert sorted(code for code, *_ in shapes(rewritten)) == sorted(code for code, *_ in shapes(written))
    assert MOBILE.estimate_arena(rewritten) == MOBILE.estimate_arena(written)
    assert expanded_bytes(rewritten) == expanded_bytes(written) == 9 * 16 * 24


def test_sites_are_found_by_kernel_and_map_also_in_a_shrunk_file() -> None:
    graph = read_graph(shrink(residual_network(16)))
    sites = [
        ConvSite("stem", "conv", (3, 3), 4, 16, maps=((8, 8, 8, 8),)),
        ConvSite("a", "conv", (3, 3), 16, 16, maps=((8, 8, 8, 8),)),
        ConvSite("b", "conv", (3, 3), 16, 16, maps=((8, 8, 8, 8),)),
        ConvSite("elsewhere", "conv", (3, 3), 16, 16, maps=((4, 4, 4, 4),)),
        ConvSite("down", "conv", (3, 3), 16, 32, maps=((8, 8, 4, 4),)),
        ConvSite("fc", "dense", (1, 1), 32, 10),
    ]
    found = match_sites(graph, sites)
    assert {index: site.name for index, site in found.items()} == {0: "stem", 1: "a", 2: "b", 4: "down", 6: "fc"}


def test_one_operator_and_what_lives_beside_it_bounds_the_arena() -> None:
    graph = read_graph(residual_network(16))
    local = local_graph(graph, 2)  # the second convolution of the residual block: the stem waits
    assert [op.code for op in local.operators] == ["CONV_2D"]
    assert sum(t.bytes for t in live_tensors(local)) == 3 * 8 * 8 * 16
    assert CORTEX_M.estimate_arena(local) <= CORTEX_M.estimate_arena(graph)
    for index in range(len(graph.operators)):
        assert MOBILE.estimate_arena(local_graph(graph, index)) <= MOBILE.estimate_arena(graph)
    whole = sum(MOBILE.estimate_time(local_graph(graph, i)) for i in range(len(graph.operators)))
    assert whole == pytest.approx(MOBILE.estimate_time(graph))


def test_a_kernel_that_is_stored_sparse_is_constant_to_its_operator_alone() -> None:
    kernel = np.where(np.random.default_rng(0).random((32, 3, 3, 32)) < 0.1, 1, 0).astype(np.int8)
    graph = read_graph(sparsify(conv_file(kernel)))
    assert [op.code for op in graph.operators] == ["DENSIFY", "CONV_2D"]
    local = local_graph(graph, 1)
    assert local.tensors[local.operators[0].inputs[1]].constant
    assert not local.tensors[local.operators[0].inputs[0]].constant
    for target in (MOBILE, PlainC()):
        assert 0 < target.estimate_arena(local) <= target.estimate_arena(graph)


@pytest.mark.parametrize(("target", "least", "most"), [("mobile", 1.3, 4.0), ("c", 1.1, 1.5), ("ethos_u", 0.9, 1.0)])
def test_a_kernel_of_few_bits_takes_its_time(target: str, least: float, most: float) -> None:
    graph = network(lambda built: built.conv(24, 3, stride=2))
    eight, four = (
        TARGETS[target].estimate_time(rewrite(graph, {1: (SITE, Choice(bits=bits))}, TARGETS[target]))
        for bits in (8, 4)
    )
    assert least <= four / eight <= most


def test_a_microcontroller_unpacks_a_kernel_of_four_bits_in_its_arena() -> None:
    graph = network(lambda built: built.conv(24, 3, stride=2))
    plan = {1: (SITE, Choice(bits=4))}
    more = {t.name: t.estimate_arena(rewrite(graph, plan, t)) - t.estimate_arena(graph) for t in (CORTEX_M, MOBILE)}
    assert more == {"cortex_m": pytest.approx(SITE.weights, abs=64), "mobile": 0}
