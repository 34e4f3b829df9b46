"""The arena estimated from shapes is the one that the emitter plans."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.backend.sparsify import sparsify
from compiler.backend.targets.c import compose
from compiler.backend.targets.c.estimate_arena import arena_fits, estimate_arena
from compiler.backend.targets.graph import read_graph
from compiler.backend.targets.plain_c import PlainC
from compiler.backend.targets.rewrite import local_graph, rewrite
from compiler.types import Choice, ConvSite
from tests.backend.targets.int8_network import Int8Network, residual_network
from tests.kernels.random_network import RandomNetwork


def streamed() -> bytes:
    """A hybrid layer, whose chain sets the peak, between a stem with explicit padding and a classifier."""
    net = RandomNetwork((20, 18, 3))
    x = net.pad(net.input, [(0, 0), (1, 2), (0, 1), (0, 0)])
    x = net.conv(x, 16, (3, 3), (2, 2), "VALID", relu=True)
    last = net.conv(net.conv(net.conv(x, 7), 9, (3, 3), (2, 2)), 24)
    x = net.add(last, net.conv(x, 24, (3, 3), (2, 2), density=0.1), relu=True)
    x = net.conv(x, 24, (3, 3), depthwise=True, relu=True)
    return net.tflite(net.dense(net.mean(net.unary("LOGISTIC", x, 1 / 256, -128)), 5))


@pytest.mark.parametrize(
    "tflite",
    [residual_network(24), sparsify(residual_network(24, density=0.1)), streamed()],
    ids=["dense", "sparse", "hybrid"],
)
def test_equals_what_is_emitted(tflite: bytes) -> None:
    assert estimate_arena(read_graph(tflite)) == compose(tflite).arena_bytes


@pytest.mark.parametrize("tflite", [residual_network(24), streamed()], ids=["dense", "hybrid"])
def test_whether_it_fits_is_the_same_question(tflite: bytes) -> None:
    graph = read_graph(tflite)
    estimate = estimate_arena(graph)
    assert arena_fits(graph, estimate)
    assert arena_fits(graph, 10 * estimate)
    assert not arena_fits(graph, estimate - 1)
    assert not arena_fits(graph, 0)


@pytest.mark.parametrize("file", ["pretrainedResnet_quant", "kws_ref_model", "vww_96_int8"])
def test_networks_of_others(shared: Path, file: str) -> None:
    path = shared / "models" / "tflite" / f"{file}.tflite"
    if not path.exists():
        pytest.skip(f"needs {file}.tflite of ../shared/models/tflite")
    tflite = path.read_bytes()
    assert estimate_arena(read_graph(tflite)) == compose(tflite).arena_bytes


def test_a_planned_chain_is_streamed() -> None:
    """Of a layer that a plan makes a hybrid, whole maps between the factors are not counted."""
    network = Int8Network((16, 16, 16))
    network.conv(16, 3)
    graph = read_graph(network.tflite())
    site = ConvSite("conv", "conv", (3, 3), 16, 16, padding="same", positions=256, maps=((16, 16, 16, 16),))
    plan = {0: (site, Choice("tucker2", (12, 12), "unstructured", kept=200))}
    planned = estimate_arena(rewrite(graph, plan, PlainC()))
    # Input, a ring of three rows of 12 channels, a row of core, of last and of the branch; the output is the caller's.
    assert planned == 16 * 16 * 16 + 3 * 16 * 12 + 16 * 12 + 16 * 16 + 16 * 16


def test_a_part_of_a_network_holds_what_lives_beside_it() -> None:
    graph = read_graph(residual_network(24, softmax=False))
    parts = [estimate_arena(local_graph(graph, i)) for i in range(len(graph.operators))]
    assert parts[2] >= 2 * 8 * 8 * 24  # the second convolution of the block: the skipped map lives beside it
    assert max(parts) > estimate_arena(graph)  # which streams the block, so that no map of it is ever whole
