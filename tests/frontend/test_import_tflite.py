"""A network read from a .tflite computes what the file does, operator by operator, float and int8."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from compiler.backend.verify import run
from compiler.frontend.import_tflite import import_tflite
from compiler.tflite import flatbuffer
from tests.frontend.networks import image, randomize, values
from tests.frontend.tflite_bodies import BODIES, Body, network
from tests.frontend.tflite_files import assert_same, float_file, int8_file, noise


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_float_operators(body: Body) -> None:
    assert_same(float_file(network(body)))


INT8 = [
    "conv same, stride",
    "depthwise",
    "transposed",
    "dense logits",
    "dense on maps",
    "residual",
    "excite",
    "constants by channel",
    "average pool same",
    "mean",
    "pad",
    "concatenate",
    "slice",
    "nearest",
    "leaky",
    "hard swish",
]


@pytest.mark.parametrize("name", INT8)
def test_int8_operators(name: str) -> None:
    """Two steps of the output's scale at most: one of rounding it, one of what went before."""
    file = int8_file(network(BODIES[name]))
    graph = flatbuffer.subgraph(flatbuffer.read(file))
    step = graph.tensors[graph.outputs[0]].quantization.scale[0]
    imported = import_tflite(file)
    inputs = noise(imported.model, 8)
    [expected], [found] = run(file, inputs, kernels="reference"), values(imported.model, inputs)
    assert np.max(np.abs(expected - found)) <= 2.5 * step + 0.02 * np.max(np.abs(expected))
    assert np.mean(np.abs(expected - found)) <= 1.0 * step


LAYER = st.tuples(
    st.sampled_from(["conv", "depthwise", "average", "max"]),
    st.integers(1, 3),  # kernel
    st.integers(1, 2),  # stride
    st.sampled_from(["same", "valid"]),
    st.sampled_from([None, "relu", "relu6", "tanh"]),
    st.integers(1, 6),  # filters
)
CHAIN = st.tuples(
    st.tuples(st.integers(5, 9), st.integers(5, 9), st.integers(1, 4)),
    st.lists(LAYER, min_size=1, max_size=4),
    st.booleans(),
)


def chain(shape: tuple[int, int, int], drawn: list[tuple], classifies: bool) -> keras.Model:
    """Layers behind each other, with a shortcut where the shapes allow one."""
    x = inputs = image(shape=shape)
    for kind, kernel, stride, padding, activation, filters in drawn:
        before, padding = x, "same" if min(x.shape[1:3]) < kernel else padding
        if kind == "conv":
            x = layers.Conv2D(filters, kernel, stride, padding, activation=activation)(x)
        elif kind == "depthwise":
            x = layers.DepthwiseConv2D(kernel, stride, padding, 1 + filters % 2, activation=activation)(x)
        else:
            x = (layers.AveragePooling2D if kind == "average" else layers.MaxPooling2D)(kernel, stride, padding)(x)
        if x.shape == before.shape:
            x = layers.Add()([x, before])
    if classifies:
        x = layers.Dense(4, activation="softmax")(layers.Flatten()(x))
    return randomize(keras.Model(inputs, x))


@given(CHAIN)
@settings(max_examples=15)
def test_float_chains(drawn: tuple) -> None:
    imported = assert_same(float_file(chain(*drawn)))
    assert imported.quantized is None


@given(CHAIN)
@settings(max_examples=8)
def test_int8_chains(drawn: tuple) -> None:
    """Weights and biases are the file's, so the network differs from it by what int8 activations lose alone."""
    file = int8_file(chain(*drawn), 16)
    imported = import_tflite(file)
    inputs = noise(imported.model, 16)
    [expected], [found] = run(file, inputs, kernels="reference"), values(imported.model, inputs)
    assert np.sum((expected - found) ** 2) <= 0.01 * np.sum(expected**2)


OFFICIAL = ["pretrainedResnet.tflite", "kws_ref_model_float32.tflite"]
OFFICIAL_INT8 = ["pretrainedResnet_quant.tflite", "kws_ref_model.tflite", "vww_96_int8.tflite"]


@pytest.mark.parametrize("name", OFFICIAL + OFFICIAL_INT8)
def test_official_files(name: str, shared: Path) -> None:
    """Float: to 1e-4. Int8, and the float DS-CNN, whose int8 kernels LiteRT multiplies with rounded inputs: answers."""
    file = (shared / "models" / "tflite" / name).read_bytes()
    if name == OFFICIAL[0]:
        assert_same(file)
    imported = import_tflite(file)
    assert (imported.quantized is not None) == (name in OFFICIAL_INT8)
    inputs = real_inputs(name, shared)
    [expected], [found] = run(file, [inputs]), values(imported.model, [inputs])
    assert np.mean(expected.argmax(1) == found.argmax(1)) >= 0.96
    assert np.mean(np.abs(expected - found)) <= 0.02


def real_inputs(name: str, shared: Path) -> np.ndarray:
    file = {"pre": "cifar10_exact_dev.npz", "kws": "kws_dev.npz", "vww": "coco100_96x96.npz"}[name[:3]]
    with np.load(shared / "data" / file) as data:
        x = data["x"][:100].astype(np.float32)
    return x.reshape(len(x), 49, 10, 1) if name.startswith("kws") else x / 255 if name.startswith("vww") else x
