"""Target c: prices are the bytes of the emitted constants, figures those of the linked image, outputs LiteRT's bits."""

from __future__ import annotations

import re
from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from compiler.backend.emit import emit
from compiler.backend.shorten_scales import shorten_scales
from compiler.backend.sparsify import sparsify
from compiler.backend.targets import plain_c
from compiler.backend.targets.c.board import BoardRun, missing_tools
from compiler.backend.targets.c.compose import compose
from compiler.backend.targets.c.host import host_compiler, run_on_host
from compiler.backend.targets.c.int8_borders import int8_borders
from compiler.backend.targets.c.operators.conv import Conv
from compiler.backend.targets.c.operators.mean import PARAMS_BYTES as MEAN_PARAMS_BYTES
from compiler.backend.targets.graph import read_graph
from compiler.backend.targets.plain_c import PlainC
from compiler.backend.verify import run_raw
from compiler.decompose.few_bits import few_bits
from compiler.decompose.metric import Metric
from compiler.errors import CheckFailed, UnsupportedLayer
from compiler.surgery.round_kernels import few_bit_layers, on_few_bits
from compiler.tflite import flatbuffer
from compiler.types import DENSE, FEW_BITS, Choice, ConvSite
from tests.backend.targets.int8_network import Int8Network, residual_network
from tests.kernels.random_network import RandomNetwork

TARGET = PlainC()
needs_compiler = pytest.mark.skipif(host_compiler() is None, reason="needs a C compiler to compile the network")
needs_board = pytest.mark.skipif(bool(missing_tools()), reason=f"needs {', '.join(missing_tools())} (kernels/apt.txt)")


def lone_conv(density: float, block: tuple[int, int], size: int = 3) -> tuple[bytes, int]:
    """A network of one convolution 24→32, and how many of its blocks are kept."""
    net = RandomNetwork((6, 5, 24))
    tflite = net.tflite(net.conv(net.input, 32, (size, size), density=density, block=block))
    weights = next(array for array in map(constant, [tflite]) if array is not None)
    tiles = weights.reshape(32 // block[1], block[1], size, size, 24 // block[0], block[0])
    return tflite, int(np.count_nonzero((tiles != 0).any((1, 5))))


def constant(tflite: bytes) -> np.ndarray | None:
    """The kernel of the first operator."""
    model = flatbuffer.read(tflite)
    graph = flatbuffer.subgraph(model)
    return flatbuffer.tensor_array(model, graph.tensors[graph.operators[0].inputs[1]])


def bias_bytes(tflite: bytes) -> int:
    """Of the only convolution."""
    (width,) = re.findall(r"\.bias_bytes\s+=\s+(\d)", compose(tflite).texts["model.c"])
    return int(width)


@pytest.mark.parametrize("density", [0.05, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("block", [(1, 1), (2, 1), (4, 4), (8, 2)])
@pytest.mark.parametrize("size", [1, 3])
def test_a_sparse_branch_costs_what_is_emitted(density: float, block: tuple[int, int], size: int) -> None:
    tflite, kept = lone_conv(density, block, size)
    site = ConvSite("conv", "conv", (size, size), 24, 32, padding="same", positions=30)
    structure = "unstructured" if block == (1, 1) else "block"
    cost = TARGET.cost(site, Choice("none", (), structure, None if block == (1, 1) else block, kept))
    tflite = shorten_scales(tflite)
    stored, wider = TARGET.stored(tflite), 32 * (3 - bias_bytes(tflite))
    # Where few weights are kept the emitter may find blocks that happen to be smaller still.
    priced = cost.weight_bytes - wider
    assert stored.weight_bytes <= priced <= (1.03 if density > 0.1 else 1.1) * stored.weight_bytes + 8
    assert cost.file_bytes - cost.weight_bytes == stored.file_bytes - stored.weight_bytes
    if density < 0.7:
        assert cost.weight_bytes < TARGET.cost(site, DENSE).weight_bytes


def test_dense_layers_cost_what_is_emitted() -> None:
    net = RandomNetwork((6, 5, 8))
    conv = net.conv(net.input, 20, (3, 3))
    net_bytes = shorten_scales(net.tflite(net.dense(net.mean(conv), 10)))
    assert bias_bytes(net_bytes) == 3
    sites = [ConvSite("conv", "conv", (3, 3), 8, 20), ConvSite("fc", "dense", (1, 1), 20, 10)]
    total, stored = TARGET.total((site, DENSE) for site in sites), TARGET.stored(net_bytes)
    assert total.weight_bytes == stored.weight_bytes == 9 * 8 * 20 + 3 * 20 + 20 * 10 + 4 * 10
    assert stored.file_bytes - total.file_bytes == MEAN_PARAMS_BYTES
    assert stored.params == 9 * 8 * 20 + 20 + 20 * 10 + 10


@pytest.mark.parametrize("bits", FEW_BITS)
def test_kernels_of_few_bits_cost_about_what_is_emitted(bits: float) -> None:
    """The code of normal weights behind inputs of alike neighbours, with as many bytes a channel as there are."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 5, 24))
    model = keras.Model(inputs, keras.layers.Conv2D(32, 3, padding="same", name="conv")(inputs))
    random = np.random.default_rng(0)
    kernel = random.normal(size=(3, 3, 24, 32)).astype(np.float32)
    alike = 0.7 ** np.abs(np.subtract.outer(np.arange(216), np.arange(216)))
    metric = Metric(alike.astype(np.float32), np.eye(32, dtype=np.float32))
    model.get_layer("conv").set_weights([few_bits(kernel, metric, bits), random.normal(size=32)])
    x = random.normal(size=(8, 6, 5, 24)).astype(np.float32)
    tflite = emit(on_few_bits(model, few_bit_layers(model)), [x], TARGET, io="int8", blocks=(), few_bits=True)
    stored = TARGET.stored(tflite)
    cost = TARGET.cost(ConvSite("conv", "conv", (3, 3), 24, 32, padding="same", positions=30), Choice(bits=bits))
    assert cost.weight_bytes == pytest.approx(stored.weight_bytes, rel=0.06)
    assert cost.file_bytes - cost.weight_bytes == stored.file_bytes - stored.weight_bytes


def test_one_byte_a_kept_weight_is_cheaper_than_in_tflite() -> None:
    tflite, _ = lone_conv(0.25, (1, 1))
    weights = 9 * 24 * 32
    assert TARGET.stored(tflite).weight_bytes < weights * (0.25 + 1 / 8) * 1.1 + 4 * 32
    assert TARGET.stored(sparsify(tflite)) == TARGET.stored(tflite)


def test_a_dense_layer_has_no_sparse_branch() -> None:
    site = ConvSite("fc", "dense", (1, 1), 64, 64)
    with pytest.raises(UnsupportedLayer, match=r"dense ones only.*'fc' is Dense and asks for block: use filter"):
        TARGET.check(site, Choice("none", (), "block", (4, 4), 10))
    TARGET.check(site, Choice("svd", (8,)))


def inputs_of(tflite: bytes, count: int = 3) -> np.ndarray:
    graph = read_graph(tflite)
    shape = graph.tensors[graph.inputs[0]].shape
    return np.random.default_rng(0).integers(-128, 128, (count, *shape[1:])).astype(np.int8)


@needs_compiler
@pytest.mark.parametrize("density", [1.0, 0.2])
def test_verified_bit_by_bit(density: float) -> None:
    tflite = residual_network(12, density=density)
    agreement = TARGET.verify(tflite, inputs_of(tflite))
    assert (agreement.executed, agreement.inputs, agreement.max_lsb, agreement.top1) == (True, 3, 0, 1.0)


@needs_compiler
def test_one_step_off_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a network whose emitted bias differs by what is worth one output step."""
    tflite = residual_network(12, softmax=False)
    honest = Conv.stored_bias.fget
    assert honest is not None
    monkeypatch.setattr(Conv, "stored_bias", property(lambda self: honest(self) + 900))
    compose.cache_clear()
    try:
        with pytest.raises(CheckFailed, match=r"output steps away from LiteRT's reference kernels, 0 allowed"):
            TARGET.verify(tflite, inputs_of(tflite))
    finally:
        compose.cache_clear()


@needs_compiler
def test_a_program_that_breaks_off_is_told() -> None:
    emitted = compose(residual_network(8))
    with pytest.raises(CheckFailed, match=r"broke off \(0\) after 0 inputs"):
        run_on_host(emitted, np.zeros((2, 5), np.int8), host_compiler() or "cc")


def test_without_a_compiler_nothing_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_c, "host_compiler", lambda: None)
    assert not TARGET.verify(residual_network(8), np.zeros((1, 8, 8, 4), np.int8)).executed


@needs_compiler
def test_float_borders_are_left_out() -> None:
    network = Int8Network((8, 8, 4))
    network.conv(6, 3)
    inside = network.tflite()
    outside = with_float_borders(inside)
    assert run_raw(outside, np.zeros((1, 8, 8, 4), np.float32))[0].dtype == np.float32
    x = inputs_of(inside)
    assert np.array_equal(run_raw(int8_borders(outside), x)[0], run_raw(inside, x)[0])
    assert int8_borders(inside) is inside
    assert TARGET.verify(outside, np.random.default_rng(0).normal(0, 1, (2, 8, 8, 4)).astype(np.float32)).max_lsb == 0


def with_float_borders(tflite: bytes) -> bytes:
    """QUANTIZE in front of the network, DEQUANTIZE behind it."""
    model = flatbuffer.read(tflite)
    graph = flatbuffer.subgraph(model)
    for code, place in (("QUANTIZE", 0), ("DEQUANTIZE", len(graph.operators) + 1)):
        inner = int((graph.inputs if code == "QUANTIZE" else graph.outputs)[0])
        graph.tensors.append(
            schema.TensorT(shape=graph.tensors[inner].shape, type=schema.TensorType.FLOAT32, name=code)
        )
        outer = len(graph.tensors) - 1
        opcode = flatbuffer.add_operator_code(model, getattr(schema.BuiltinOperator, code))
        ends = (outer, inner) if code == "QUANTIZE" else (inner, outer)
        operator = schema.OperatorT(opcodeIndex=opcode)
        operator.inputs, operator.outputs = (np.array([end], np.int32) for end in ends)
        graph.operators.insert(place, operator)
        if code == "QUANTIZE":
            graph.inputs = np.array([outer], np.int32)
        else:
            graph.outputs = np.array([outer], np.int32)
    return flatbuffer.write(model)


@needs_board
def test_figures_are_those_of_the_linked_image() -> None:
    tflite = residual_network(12)
    emitted, figures = compose(tflite), TARGET.measure(tflite, inputs_of(tflite))
    assert figures.flash_bytes > emitted.constant_bytes + 2000
    assert figures.flash_label == "kernels and constants, linked for a cortex-m4"
    assert figures.arena_bytes == emitted.arena_bytes
    assert (figures.time_unit, figures.time_label) == ("instructions", "measured")
    assert figures.time == TARGET.measure(tflite, inputs_of(tflite)).time > figures.macs
    assert 0.6 < TARGET.estimate_time(read_graph(tflite)) / figures.time < 1.5


def test_figures_without_the_arm_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_c, "missing_tools", lambda: ("arm-none-eabi-gcc",))
    tflite = residual_network(8, seed=1)
    figures = TARGET.measure(tflite, inputs_of(tflite))
    assert figures.flash_bytes == compose(tflite).constant_bytes
    assert figures.flash_label == "constants alone"
    assert (figures.time, figures.time_label) == (TARGET.estimate_time(read_graph(tflite)), "estimate")
    assert "arm-none-eabi-gcc is not installed" in str(dict(figures.extra)["board"])


def test_a_network_that_the_board_does_not_hold_is_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise CheckFailed("ld: region `FLASH' overflowed by 9 bytes")

    monkeypatch.setattr(plain_c, "missing_tools", lambda: ())
    monkeypatch.setattr(plain_c, "run_on_board", refuse)
    tflite = residual_network(8, seed=2)
    figures = TARGET.measure(tflite, inputs_of(tflite))
    assert figures.time_label == "estimate"
    assert "overflowed" in str(dict(figures.extra)["board"])


def test_where_the_board_holds_one_of_two_files_both_are_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    large, small = residual_network(12, seed=3), residual_network(8, seed=3)
    runs = {
        large: "ld: region `FLASH' overflowed by 9 bytes",
        small: BoardRun(np.zeros(0), 5000, 9000, 300, 64, 400, 4000),
    }
    monkeypatch.setattr(plain_c, "board_run", lambda tflite, sample: runs[tflite])
    inputs = inputs_of(large)
    assert TARGET.measure(small, inputs).time_label == "measured"
    for pair in ((large, small), (small, large)):
        for tflite, figures in zip(pair, TARGET.measure_in_turn(*pair, inputs), strict=True):
            assert (figures.time, figures.time_label) == (TARGET.estimate_time(read_graph(tflite)), "estimate")
            assert figures.flash_bytes == compose(tflite).constant_bytes
            assert "overflowed" in str(dict(figures.extra)["board"])
    assert {f.time_label for f in TARGET.measure_in_turn(small, small, inputs)} == {"measured"}


def test_input_and_output_are_called_as_the_network_calls_them() -> None:
    """Else as the file's signature does, else as its tensors are."""
    model = flatbuffer.read(residual_network(8))
    graph = flatbuffer.subgraph(model)
    tensors = [flatbuffer.text(graph.tensors[int(side[0])].name) for side in (graph.inputs, graph.outputs)]
    unsigned = flatbuffer.write(model)
    model.signatureDefs = [
        schema.SignatureDefT(
            inputs=[schema.TensorMapT(name="image", tensorIndex=int(graph.inputs[0]))],
            outputs=[schema.TensorMapT(name="output_0", tensorIndex=int(graph.outputs[0]))],
        )
    ]
    signed = flatbuffer.write(model)
    for tflite, borders, called in (
        (unsigned, None, tensors),
        (signed, None, ["image", "output_0"]),
        (signed, ("photo", "classes"), ["photo", "classes"]),
    ):
        files = TARGET.files(tflite, "net", borders)
        header, source = (files[f"net.c/model.{end}"].decode() for end in "hc")
        assert f" * input   {called[0]}, (1, 8, 8, 4)\n" in header
        assert f" * output  {called[1]}, (1, " in header
        assert f"/* {called[1]} */" in source


def test_the_folder_lies_beside_the_file(tmp_path: Path) -> None:
    tflite = residual_network(8)
    files = TARGET.files(tflite, "net")
    assert {"net.c/model.c", "net.c/model.h", "net.c/main.c", "net.c/CMakeLists.txt", "net.c/kernels.h"} <= set(files)
    text = TARGET.compile(tflite, tmp_path / "net")
    assert text == files["net.c/model.c"] == (tmp_path / "net" / "model.c").read_bytes()


def test_the_network_is_called_as_asked(tmp_path: Path) -> None:
    net = RandomNetwork((6, 6, 4), seed=6)
    tflite = net.tflite(net.mean(net.conv(net.input, 5, (3, 3))))
    named = PlainC("keyword")
    files = named.files(tflite, "net")
    assert b"void keyword_run(" in files["net.c/keyword.h"]
    assert {"net.c/keyword.c", "net.c/main.c"} <= files.keys()
    assert not any("model" in file for file in files)
    assert (
        named.compile(tflite, tmp_path / "net") == files["net.c/keyword.c"] == (tmp_path / "net/keyword.c").read_bytes()
    )
    assert named.stored(tflite) == TARGET.stored(tflite)
