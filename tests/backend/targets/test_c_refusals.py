"""What the C target can't run is refused by name, with the mend, before a file is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from compiler.backend.targets.c import emit
from compiler.errors import BadInput, CompilerError, UnsupportedModel
from compiler.tflite import flatbuffer
from tests.kernels.random_network import RandomNetwork

Change = Callable[[schema.ModelT], None]


def network() -> bytes:
    net = RandomNetwork((8, 8, 4))
    x = net.conv(net.input, 6, (3, 3), relu=True)
    x = net.add(x, net.conv(x, 6), relu=True)
    return net.tflite(net.softmax(net.dense(net.mean(x), 5)))


def changed(change: Change) -> bytes:
    model = flatbuffer.read(network())
    change(model)
    return flatbuffer.write(model)


def refused(tflite: bytes, folder: Path, kind: type[CompilerError] = UnsupportedModel) -> str:
    with pytest.raises(kind) as caught:
        emit(tflite, folder / "net")
    assert not any(folder.iterdir()), "something was written"
    return str(caught.value)


def tensor(model: schema.ModelT, operator: int, place: int) -> schema.TensorT:
    """An input of an operator, or its output (place −1)."""
    graph = flatbuffer.subgraph(model)
    made = graph.operators[operator]
    return graph.tensors[made.outputs[0] if place < 0 else made.inputs[place]]


def set_scale(operator: int, place: int, scale: float) -> Change:
    def change(model: schema.ModelT) -> None:
        quantization = tensor(model, operator, place).quantization
        quantization.scale = np.full(len(quantization.scale), scale, np.float32)

    return change


def set_option(operator: int, **options: int) -> Change:
    return lambda model: vars(flatbuffer.subgraph(model).operators[operator].builtinOptions).update(options)


def rename_operator(operator: int, code: str) -> Change:
    def change(model: schema.ModelT) -> None:
        index = flatbuffer.add_operator_code(model, getattr(schema.BuiltinOperator, code))
        flatbuffer.subgraph(model).operators[operator].opcodeIndex = index

    return change


def set_tensor(operator: int, place: int, **fields: object) -> Change:
    return lambda model: vars(tensor(model, operator, place)).update(fields)


def set_operator(operator: int, **fields: object) -> Change:
    return lambda model: vars(flatbuffer.subgraph(model).operators[operator]).update(fields)


def read_before_it_is_written(model: schema.ModelT) -> None:
    operators = flatbuffer.subgraph(model).operators
    operators[1].inputs = np.array([operators[2].outputs[0], *operators[1].inputs[1:]])


def set_graph(**fields: object) -> Change:
    return lambda model: vars(flatbuffer.subgraph(model)).update(fields)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (rename_operator(2, "SUB"), ["SUB", "no kernel", "CONV_2D"]),
        (set_scale(0, 1, 1e8), ["CONV_2D", "scales are out of range"]),
        (set_scale(0, 1, 1e20), ["CONV_2D", "below 2^30"]),
        (set_scale(2, -1, 1e-9), ["ADD", "too small"]),
        (set_scale(4, 1, 1e30), ["FULLY_CONNECTED", "no integer factor"]),
        (set_scale(5, 0, 1e-12), ["SOFTMAX", "too small"]),
        (set_scale(5, -1, 0.5), ["SOFTMAX", "1/256"]),
        (set_scale(0, 1, -1.0), ["scale", "not a positive number"]),
        (set_option(0, strideH=0), ["CONV_2D", "strides"]),
        (set_option(0, strideW=300), ["CONV_2D", "strides"]),
        (set_option(0, fusedActivationFunction=4), ["CONV_2D", "activation"]),
        (set_tensor(0, 0, shape=[1, 70000, 1, 4]), ["CONV_2D", "65535"]),
        (set_tensor(0, 0, shape=[1, 2**20, 2**20, 4]), ["int32"]),
        (set_tensor(0, 0, shape=[-1, 8, 8, 4]), ["not fixed"]),
        (set_tensor(0, 0, shape=[2, 8, 8, 4]), ["CONV_2D", "one example"]),
        (set_tensor(0, 0, shape=[1, 8, 4, 8]), ["CONV_2D", "grouped"]),
        (set_tensor(0, -1, shape=[1, 7, 8, 6]), ["CONV_2D", "window"]),
        (set_tensor(0, -1, type=schema.TensorType.FLOAT32), ["CONV_2D", "float32", "int8"]),
        (set_tensor(0, -1, type=schema.TensorType.INT16), ["CONV_2D", "int16", "int8"]),
        (set_tensor(2, -1, type=schema.TensorType.STRING), ["type", "int8"]),
        (set_tensor(2, 0, quantization=None), ["scales"]),
        (set_tensor(3, 1, buffer=0), ["MEAN", "run time"]),
        (set_tensor(1, 2, type=schema.TensorType.INT8), ["damaged", "shape"]),
        (set_tensor(0, 1, shape=[6, 3, 3, 5]), ["damaged", "shape"]),
        (set_tensor(0, 1, buffer=999), ["damaged", "buffer"]),
        (set_operator(1, inputs=np.array([999, 3, 4])), ["damaged", "tensor"]),
        (read_before_it_is_written, ["damaged", "wrote"]),
        (set_operator(1, outputs=np.array([], np.int32)), ["outputs"]),
        (set_operator(0, builtinOptions=None), ["options"]),
        (set_graph(inputs=np.array([0, 4])), ["one input"]),
        (set_graph(outputs=np.array([], np.int32)), ["one output"]),
        (set_graph(outputs=np.array([0])), ["nothing to run"]),
    ],
)
def test_refused_by_name(tmp_path: Path, change: Change, words: list[str]) -> None:
    message = refused(changed(change), tmp_path, CompilerError)  # type: ignore[type-abstract]
    assert all(word in message for word in words), message
    assert "\n" not in message


def test_a_file_that_is_no_network(tmp_path: Path) -> None:
    assert "TFLite" in refused(b"not a network", tmp_path, BadInput)


def test_every_cut_is_refused_or_complete(tmp_path: Path) -> None:
    """A file cut anywhere raises one of our errors, never anything else."""
    whole = network()
    for length in range(8, len(whole), max(1, len(whole) // 60)):
        try:
            emit(whole[:length], tmp_path / "net")
        except CompilerError:
            continue


def test_flipped_bits_are_refused_or_run(tmp_path: Path) -> None:
    """A file with a few bytes changed is emitted or raises one of our errors, never anything else."""
    rng = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(network())
        for at in rng.integers(8, len(damaged), 3):
            damaged[at] = int(rng.integers(0, 256))
        try:
            emit(bytes(damaged), tmp_path / "net")
        except CompilerError:
            continue


def test_a_bad_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="can't name"):
        emit(network(), tmp_path / "net", name="2; int x")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="can't write"):
        emit(network(), tmp_path / "file" / "net")


def test_names_of_tensors_cannot_leave_their_comment(tmp_path: Path) -> None:
    tflite = changed(set_tensor(0, -1, name="*/ int evil; /*\n#error"))
    emit(tflite, tmp_path / "net")
    text = (tmp_path / "net" / "model.c").read_text()
    assert "/* * / int evil; / *?#error */" in text
