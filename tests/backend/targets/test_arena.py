from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.backend.sparsify import sparsify
from compiler.backend.targets import TARGETS
from compiler.backend.targets.arena import (
    Live,
    expanded_bytes,
    lifetimes,
    live_tensors,
    overlapped,
    packed_bytes,
    peak_bytes,
)
from compiler.backend.targets.cost import round_up
from compiler.backend.targets.graph import read_graph
from compiler.backend.targets.tflm import with_metadata
from compiler.backend.targets.xcore import lower
from tests.backend.targets.int8_network import Int8Network, residual_network

PRINT_PLAN = """
import sys
from xmos_ai_tools.xinterpreters import TFLMHostInterpreter
interpreter = TFLMHostInterpreter()
interpreter.set_model(model_content=open(sys.argv[1], "rb").read())
interpreter.print_memory_plan()
"""


def planned_by_tflm(tflite: bytes, folder: Path) -> int:
    """End of the furthest activation in the memory plan that the host interpreter prints."""
    path = folder / "network.tflite"
    path.write_bytes(with_metadata(tflite))
    done = subprocess.run([sys.executable, "-c", PRINT_PLAN, path], capture_output=True, text=True, check=True)
    return max(int(size) + int(offset) for size, offset in re.findall(r"size=(\d+), offset=(\d+)", done.stdout))


def uneven_network(seed: int) -> bytes:
    """Convolutions, strides, selections and residuals drawn at random, with sizes that don't nest."""
    random = np.random.default_rng(seed)
    network = Int8Network((12, 12, 4), seed)
    for _ in range(6):
        source = network.conv(int(random.integers(3, 30)), 3, int(random.choice([1, 1, 2])))
        width = int(network.graph.tensors[source].shape[3])
        network.conv(int(random.integers(3, 30)))
        network.add(source, network.conv(width, 3))
    return network.tflite()


@pytest.mark.parametrize("seed", range(4))
def test_packs_as_tflite_micro_does(seed: int, tmp_path: Path) -> None:
    pytest.importorskip("xmos_ai_tools", reason="xmos-ai-tools needs numpy below 2 (Python 3.11 or 3.12)")
    tflite = uneven_network(seed)
    assert packed_bytes(live_tensors(read_graph(tflite))) == planned_by_tflm(tflite, tmp_path)


def test_lifetimes_of_a_residual() -> None:
    live = live_tensors(read_graph(residual_network(16, softmax=False)))
    assert live[0] == Live(8 * 8 * 4, 0, 1)
    assert live[1] == Live(8 * 8 * 16, 1, 4)  # the stem waits for the ADD
    assert live[-1].last == len(live) - 1  # the output stays


def test_an_early_output_stays_and_an_expanded_kernel_lies_elsewhere() -> None:
    network = Int8Network((8, 8, 32))
    early = network.conv(32, 3, density=0.1)
    network.conv(4)
    network.last = early
    graph = read_graph(sparsify(network.tflite()))
    assert [op.code for op in graph.operators] == ["DENSIFY", "CONV_2D", "CONV_2D"]
    steps = lifetimes(graph)
    assert graph.operators[0].outputs[0] not in steps
    assert expanded_bytes(graph) == 9 * 32 * 32
    assert steps[graph.outputs[0]] == (2, 3)


def test_xcore_pads_and_activates_in_operators_of_their_own() -> None:
    network = Int8Network((8, 8, 3))
    stem = network.conv(6, 3)
    network.add(stem, network.conv(6), relu=True)
    lowered = lower(read_graph(network.tflite()))
    assert [op.code for op in lowered.operators] == ["PAD", "CONV_2D", "CONV_2D", "ADD", "LOOKUP"]
    results = [lowered.tensors[op.outputs[0]].shape for op in lowered.operators]
    assert results == [(1, 10, 10, 4), *[(1, 8, 8, 8)] * 4]


tensors = st.lists(
    st.tuples(st.integers(1, 400), st.integers(0, 8), st.integers(0, 4)).map(lambda t: Live(t[0], t[1], t[1] + t[2])),
    min_size=1,
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(tensors)
def test_a_packing_holds_the_peak_and_no_more_than_everything(live: list[Live]) -> None:
    assert peak_bytes(live) <= packed_bytes(live) <= sum(round_up(t.bytes, 16) for t in live)


def test_tensors_that_never_meet_share_their_place() -> None:
    assert packed_bytes([Live(64, 0, 1), Live(64, 2, 3)]) == 64
    assert packed_bytes([Live(64, 0, 1), Live(60, 1, 3)]) == 128
    assert packed_bytes([]) == peak_bytes([]) == 0


@pytest.mark.parametrize(("name", "tolerance"), [("cortex_m", 0.01), ("xcore", 0.05)])
def test_the_estimate_is_near_what_the_tool_says(name: str, tolerance: float) -> None:
    pytest.importorskip("xmos_ai_tools", reason="xmos-ai-tools needs numpy below 2 (Python 3.11 or 3.12)")
    tflite, target = residual_network(24), TARGETS[name]
    figures = target.measure(tflite, np.zeros((1, 8, 8, 4), np.int8))
    assert target.estimate_arena(read_graph(tflite)) == pytest.approx(figures.arena_bytes, rel=tolerance)


@pytest.mark.parametrize("file", ["pretrainedResnet_quant", "kws_ref_model", "vww_96_int8"])
@pytest.mark.parametrize(("name", "tolerance"), [("cortex_m", 0.005), ("xcore", 0.04)])
def test_the_estimate_holds_on_networks_it_was_not_fitted_to(
    shared: Path, file: str, name: str, tolerance: float
) -> None:
    pytest.importorskip("xmos_ai_tools", reason="xmos-ai-tools needs numpy below 2 (Python 3.11 or 3.12)")
    tflite = (shared / "models" / "tflite" / f"{file}.tflite").read_bytes()
    graph, target = read_graph(tflite), TARGETS[name]
    sample = np.zeros(graph.tensors[graph.inputs[0]].shape, np.int8)
    assert target.estimate_arena(graph) == pytest.approx(target.measure(tflite, sample).arena_bytes, rel=tolerance)


@pytest.mark.parametrize("file", ["pretrainedResnet_quant", "kws_ref_model", "vww_96_int8"])
def test_velas_estimate_lies_between_what_it_needs_and_what_it_takes(shared: Path, file: str) -> None:
    tflite, target = (shared / "models" / "tflite" / f"{file}.tflite").read_bytes(), TARGETS["ethos_u"]
    graph = read_graph(tflite)
    sample = np.zeros(graph.tensors[graph.inputs[0]].shape, np.int8)
    needs, takes = (t.measure(tflite, sample).arena_bytes for t in (target.within(0), target))
    assert needs <= target.estimate_arena(graph) <= takes
    assert needs < 0.75 * takes


def test_an_operator_in_place_frees_what_only_it_reads() -> None:
    network = Int8Network((8, 8, 16))
    network.add(network.conv(16), network.conv(16))
    graph = read_graph(network.tflite())
    whole, merged = live_tensors(graph), overlapped(graph, ("ADD",))
    assert sum(t.bytes for t in whole) - sum(t.bytes for t in merged) == 8 * 8 * 16
    assert packed_bytes(merged) < packed_bytes(whole)
    shared = Int8Network((8, 8, 16))
    shared.add(shared.input, shared.input)  # read twice: not given up
    graph = read_graph(shared.tflite())
    assert overlapped(graph, ("ADD",)) == live_tensors(graph)
