"""Inputs as wide as what they may hold: nothing is clipped any more, and within the old range answers stay."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

from compiler.backend.emit import emit
from compiler.backend.quantize import IO, quantize
from compiler.backend.targets import TARGETS
from compiler.backend.verify import run
from compiler.backend.widen_inputs import LEVELS, range_of, set_range, widen_inputs
from compiler.tflite import flatbuffer
from tests.frontend.networks import randomize

SHAPE = (8, 8, 3)
NARROW, WIDE = 1.0, 3.0
RANDOM = np.random.default_rng(0)
X = RANDOM.uniform(-NARROW, NARROW, (64, *SHAPE)).astype(np.float32)
FAR = RANDOM.uniform(-WIDE, WIDE, (64, *SHAPE)).astype(np.float32)
CALIBRATION = np.concatenate([X, X / 2])


def convolutional() -> keras.Model:
    """The input is padded, which moves its values, read by two convolutions, and added to one of them."""
    inputs = keras.Input(SHAPE)
    padded = layers.ZeroPadding2D(((0, 2), (0, 2)), name="pad")(inputs)
    a = layers.Conv2D(3, 3, name="a")(padded)
    b = layers.DepthwiseConv2D(3, padding="same", name="b")(inputs)
    h = layers.Add(name="sum")([layers.Add(name="inner")([a, b]), inputs])
    return randomize(keras.Model(inputs, layers.Dense(4, name="logits")(layers.GlobalAveragePooling2D()(h))))


def joined() -> keras.Model:
    """The input is joined to what it makes: one scale for both."""
    inputs = keras.Input(SHAPE)
    h = layers.Concatenate()([inputs, layers.Conv2D(4, 1, name="a")(inputs)])
    return randomize(keras.Model(inputs, layers.Conv2D(2, 1, name="b")(h)))


def input_range(tflite: bytes) -> tuple[float, float]:
    model = flatbuffer.read(tflite)
    graph = flatbuffer.subgraph(model)
    first = graph.tensors[int(graph.inputs[0])]
    if first.type == schema.TensorType.FLOAT32:
        first = graph.tensors[
            int(next(op.outputs[0] for name, op in flatbuffer.operators(model) if name == "QUANTIZE"))
        ]
    return range_of(first)


@pytest.mark.parametrize("io", ["int8", "uint8", "float"])
def test_what_lies_beyond_the_calibration_inputs_is_not_clipped(io: IO) -> None:
    model = convolutional()
    # Ranges of all layers for both sets, that of the input for one: what the wide one loses is the input's alone.
    narrow = quantize(model, CALIBRATION, io=io)
    wide = widen_inputs(narrow, [(-WIDE, WIDE)])
    low, high = input_range(wide)
    assert (low, high) == pytest.approx((-WIDE, WIDE), rel=0.01)
    assert low <= -0.99 * WIDE < 0.99 * WIDE <= high
    assert max(np.abs(input_range(narrow))) < 1.1 * NARROW
    truth = np.asarray(model(X))
    steps = [np.max(np.abs(run(file, X, kernels="reference")[0] - truth)) / np.ptp(truth) for file in (narrow, wide)]
    assert steps[1] < 0.05 + steps[0]
    np.testing.assert_allclose(run(wide, X)[0], run(wide, X, kernels="reference")[0], atol=0.05 * np.ptp(truth))


def test_the_first_layer_sees_values_that_were_clipped() -> None:
    inputs = keras.Input(SHAPE)
    model = randomize(keras.Model(inputs, layers.Conv2D(4, 3, name="a", activation="sigmoid")(inputs)))
    narrow = quantize(model, CALIBRATION)
    wide = widen_inputs(narrow, [(-WIDE, WIDE)])
    truth = np.asarray(model(FAR))
    errors = [float(np.mean((run(file, FAR)[0] - truth) ** 2)) for file in (narrow, wide)]
    assert errors[1] < 0.5 * errors[0]


def test_0_to_255_is_a_level_each() -> None:
    inputs = keras.Input(SHAPE)
    model = randomize(keras.Model(inputs, layers.Conv2D(4, 3, name="a")(inputs)))
    tflite = widen_inputs(quantize(model, 100 * np.abs(X)), [(0.0, 255.0)])
    graph = flatbuffer.subgraph(flatbuffer.read(tflite))
    told = graph.tensors[int(graph.inputs[0])].quantization
    assert (float(told.scale[0]), int(told.zeroPoint[0])) == (1.0, -128)


@pytest.mark.parametrize("span", [None, (-0.5, 0.5), (-NARROW, NARROW)])
def test_a_file_that_is_wide_enough_is_left_as_it_is(span: tuple[float, float] | None) -> None:
    tflite = quantize(convolutional(), CALIBRATION)
    assert widen_inputs(tflite, [span]) is tflite


def test_where_something_else_would_have_to_change_nothing_does() -> None:
    tflite = quantize(joined(), CALIBRATION)
    assert widen_inputs(tflite, [(-WIDE, WIDE)]) is tflite


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_every_target_gets_such_files(target: str) -> None:
    low, high = input_range(emit(convolutional(), [CALIBRATION], TARGETS[target], spans=((-WIDE, WIDE),)))
    assert low <= -0.99 * WIDE < 0.99 * WIDE <= high


@given(st.floats(-1e6, 0), st.floats(0, 1e6), st.sampled_from(sorted(LEVELS)))
def test_a_range_is_held_with_0_on_a_step(low: float, high: float, kind: int) -> None:
    if high - low < 1e-6:
        return
    tensor = schema.TensorT(type=kind, quantization=schema.QuantizationParametersT())
    set_range(tensor, low, high)
    assert LEVELS[kind][0] <= int(tensor.quantization.zeroPoint[0]) <= LEVELS[kind][1]
    found = range_of(tensor)
    step = (high - low) / 255
    assert np.abs(np.array(found) - (low, high)) == pytest.approx(0, abs=0.501 * step)
    assert found[1] - found[0] == pytest.approx(high - low, rel=1e-6)
