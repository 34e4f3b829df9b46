from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from compiler.backend.shrink import shrink
from compiler.backend.sparsify import sparsify
from compiler.backend.stored_bytes import macs, stored_bytes
from compiler.backend.targets.graph import read_graph
from compiler.backend.targets.mobile import Mobile
from compiler.errors import BadInput, CheckFailed
from compiler.types import DENSE, Choice, ConvSite
from tests.backend.targets.int8_network import Int8Network, residual_network

INPUTS = np.random.default_rng(0).normal(size=(8, 8, 8, 4)).astype(np.float32)
MOBILE = Mobile()


def test_measures_file_arena_macs_and_time() -> None:
    tflite = residual_network()
    figures = MOBILE.measure(tflite, INPUTS)
    assert figures.flash_bytes == len(tflite) == len(MOBILE.compile(tflite, None))  # type: ignore[arg-type]
    assert figures.weight_bytes == stored_bytes(tflite).weight_bytes
    assert figures.macs == macs(tflite)
    assert figures.arena_bytes == 3 * 8 * 8 * 16  # both inputs of the ADD and its output
    assert figures.time > 0
    assert (figures.time_unit, figures.time_label, figures.arena_label) == ("ms", "measured", "estimate")


def test_two_files_are_timed_in_turn() -> None:
    wide, narrow = (residual_network(width) for width in (128, 8))
    slow, fast = MOBILE.measure_in_turn(wide, narrow, INPUTS)
    assert slow.time > fast.time  # 190 times the arithmetic
    assert slow.flash_bytes == len(wide)
    assert slow.time_ratio is None
    assert fast.time_ratio is not None
    assert fast.time_ratio.low <= fast.time_ratio.median <= fast.time_ratio.high < 1


def test_verifies_xnnpack_against_the_reference_kernels() -> None:
    agreement = MOBILE.verify(residual_network(), INPUTS)
    assert agreement.executed
    assert agreement.inputs == len(INPUTS)
    assert agreement.max_lsb is not None
    assert agreement.max_lsb <= 4
    assert agreement.snr_db is None or agreement.snr_db > 15


def test_sparse_files_run() -> None:
    dense = residual_network(32, density=0.2)
    sparse = sparsify(dense)
    assert len(sparse) < len(dense)
    assert MOBILE.verify(sparse, INPUTS).top1 == MOBILE.verify(dense, INPUTS).top1


def test_wrong_inputs_and_unloadable_files_are_one_sentence() -> None:
    with pytest.raises(BadInput, match=r"\(n, 8, 8, 4\), not \(2, 4, 4, 4\)"):
        MOBILE.measure(residual_network(), np.zeros((2, 4, 4, 4), np.float32))
    network = Int8Network((8, 8, 4))
    network.cos()
    with pytest.raises(CheckFailed, match="COS"):
        MOBILE.verify(network.tflite(), INPUTS)


@pytest.mark.parametrize("density", [0.05, 0.2, 0.5])
def test_a_sparse_kernel_is_priced_as_the_writer_stores_it(density: float) -> None:
    network = Int8Network((8, 8, 32), seed=1)
    network.conv(48, 3, density=density)
    tflite = network.tflite()
    stored = stored_bytes(shrink(sparsify(tflite)))
    kernel = np.asarray(network.model.buffers[network.graph.tensors[1].buffer].data).view(np.int8)
    site = ConvSite("conv", "conv", (3, 3), 32, 48, positions=64)
    cost = MOBILE.cost(site, Choice("none", structure="unstructured", kept=int(np.count_nonzero(kernel))))
    assert stored.weight_bytes <= cost.weight_bytes <= 1.03 * stored.weight_bytes


def test_a_branch_too_full_to_store_sparse_costs_a_dense_one() -> None:
    site = ConvSite("conv", "conv", (3, 3), 32, 48, positions=64)
    for kept in (site.weights - 5, 6600):  # sparse is larger; smaller, but by less than DENSIFY's own tables
        full = MOBILE.cost(site, Choice("none", structure="unstructured", kept=kept))
        assert full == MOBILE.cost(site, DENSE)


def test_no_sparse_storage_in_front_of_a_dense_layer() -> None:
    site = ConvSite("fc", "dense", (1, 1), 32, 48)
    reason = MOBILE.refusal(site, Choice("none", structure="unstructured", kept=100))
    assert reason is not None
    assert "Layer 'fc' is Dense and asks for unstructured: use filter, channel or no branch" in reason
    assert MOBILE.refusal(site, Choice("none", structure="filter", kept=4)) is None


@pytest.mark.parametrize("layers", [(16, 24, 16), (8, 8, 8, 8), (40, 12)])
def test_file_bytes_are_tight(layers: tuple[int, ...]) -> None:
    """One more convolution: what the shrunk file grows by, against the price."""

    def written(widths: tuple[int, ...]) -> int:
        network = Int8Network((8, 8, 16), seed=1)
        for width in widths:
            network.conv(width, 3)
            scale = network.graph.tensors[-1].quantization
            scale.scale = scale.scale * np.float32(1 + 0.01 * len(network.graph.tensors))
            for constant in network.graph.tensors[-3:-1]:
                spread = network.random.uniform(0.9, 1, len(constant.quantization.scale)).astype(np.float32)
                constant.quantization.scale = constant.quantization.scale * spread
        return len(shrink(network.tflite()))

    def site(c_in: int, c_out: int) -> ConvSite:
        return ConvSite("conv", "conv", (3, 3), c_in, c_out, positions=64)

    before = [(site(i, o), DENSE) for i, o in zip((16, *layers), layers, strict=False)]
    after = [*before, (site(layers[-1], 20), DENSE)]
    price = MOBILE.total(after).file_bytes - MOBILE.total(before).file_bytes
    grown = written((*layers, 20)) - written(layers)
    assert abs(price - grown) < 60


def test_xnnpack_gives_expanded_kernels_no_place_in_the_arena() -> None:
    tflite = sparsify(residual_network(32, density=0.1))
    expanded = [op.outputs[0] for op in read_graph(tflite).operators if op.code == "DENSIFY"]
    interpreter = Interpreter(model_content=tflite)
    interpreter.allocate_tensors()
    assert expanded
    for index in expanded:
        with pytest.raises(ValueError, match="Tensor data is null"):
            interpreter.get_tensor(index)
    figures = MOBILE.measure(tflite, np.zeros((1, 8, 8, 4), np.float32))
    assert dict(figures.extra)["expanded_kernel_bytes"] == 9 * 32 * (4 + 32 + 32 + 64)
