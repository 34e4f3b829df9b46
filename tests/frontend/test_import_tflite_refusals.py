"""A .tflite that can't be read, or that is damaged, is refused in a sentence that names what and where."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops

from compiler.errors import BadInput, CompilerError, UnsupportedModel
from compiler.frontend.import_tflite import import_tflite
from compiler.frontend.load import load
from compiler.tflite import flatbuffer
from tests.frontend.tflite_bodies import BODIES, SIDE, network
from tests.frontend.tflite_files import float_file


def test_unknown_operators_are_refused_by_name() -> None:
    file = float_file(network(lambda x: ops.cumsum(x, axis=1)))
    with pytest.raises(UnsupportedModel, match=r"uses CUMSUM, which can't be read .*; give the network as a \.keras"):
        import_tflite(file)


def test_known_operators_in_a_form_without_equal_are_refused_by_name() -> None:
    model = flatbuffer.read(float_file(network(BODIES["bilinear"])))
    for name, operator in flatbuffer.operators(model):
        if name == "RESIZE_BILINEAR":
            operator.builtinOptions.halfPixelCenters = False
    with pytest.raises(UnsupportedModel, match=r"RESIZE_BILINEAR .* doesn't sample in the middle"):
        import_tflite(flatbuffer.write(model))


def test_what_mixes_a_batch_is_refused() -> None:
    model = flatbuffer.read(float_file(network(lambda x: layers.Permute((2, 1, 3))(x))))
    [(_, operator)] = list(flatbuffer.operators(model))
    order = flatbuffer.subgraph(model).tensors[operator.inputs[1]]
    model.buffers[order.buffer].data = np.frombuffer(np.int32([1, 0, 2, 3]).tobytes(), np.uint8)
    with pytest.raises(UnsupportedModel, match=r"TRANSPOSE .* moves the batch"):
        import_tflite(flatbuffer.write(model))


def test_computed_weights_are_refused() -> None:
    model = flatbuffer.read(float_file(network(BODIES["conv same, stride"])))
    [(_, operator)] = list(flatbuffer.operators(model))
    graph = flatbuffer.subgraph(model)
    graph.tensors[operator.inputs[1]].buffer = 0
    graph.inputs = np.int32([*graph.inputs, operator.inputs[1]])
    with pytest.raises(UnsupportedModel, match=r"no batch in common|computes its weights at run time"):
        import_tflite(flatbuffer.write(model))


def test_shapes_that_contradict_keras_are_refused() -> None:
    model = flatbuffer.read(float_file(network(BODIES["max pool"])))
    graph = flatbuffer.subgraph(model)
    graph.tensors[graph.outputs[0]].shape = np.int32([1, 3, 3, 3])
    with pytest.raises(UnsupportedModel, match=r"makes \(3, 3, 3\) in the file and \(3, 2, 3\) in Keras"):
        import_tflite(flatbuffer.write(model))


@given(st.floats(0, 1), st.integers(0, 255))
@settings(max_examples=60)
def test_damaged_files_are_refused_in_a_sentence(where: float, byte: int) -> None:
    """Cut off anywhere, or with one byte changed: an error of the compiler, or a network; never a traceback."""
    file = _small_file()
    for damaged in (file[: int(where * len(file))], _changed(file, int(where * (len(file) - 1)), byte)):
        with contextlib.suppress(CompilerError):
            import_tflite(damaged)


def test_cut_off_files_name_the_path(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(_small_file()[:600])
    with pytest.raises(BadInput, match=r"net\.tflite: this TFLite file is damaged or cut off"):
        load(path)
    path.write_bytes(_small_file()[:6])
    with pytest.raises(BadInput, match=r"neither a \.keras nor an HDF5 nor a TFLite file"):
        load(path)


def test_load_checks_what_it_checks_of_keras_files(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(_small_file())
    assert load(path).inputs[0].shape == (None, *SIDE)
    with pytest.raises(BadInput, match="holds its own graph; leave --model"):
        load(path, model_name="resnet8")
    with pytest.raises(BadInput, match="the network's is fixed at 6,8,3"):
        load(path, input_shape=(4, 4, 3))
    model = flatbuffer.read(_small_file())
    kernel = flatbuffer.subgraph(model).tensors[next(flatbuffer.operators(model))[1].inputs[1]]
    model.buffers[kernel.buffer].data = np.full(len(model.buffers[kernel.buffer].data), 255, np.uint8)
    path.write_bytes(flatbuffer.write(model))
    with pytest.raises(BadInput, match="has NaN or infinite weights"):
        load(path)


@functools.cache
def _small_file() -> bytes:
    return float_file(network(BODIES["residual"]))


def _changed(file: bytes, place: int, byte: int) -> bytes:
    return file[:place] + bytes([byte]) + file[place + 1 :]
