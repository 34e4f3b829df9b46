from __future__ import annotations

import importlib.util

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from compiler.backend.quantize import quantize
from compiler.backend.verify import check_operators, run, run_raw
from compiler.errors import BadInput, UnsupportedLayer
from compiler.tflite import flatbuffer
from tests.backend.networks import images, random_int8, small_int8, small_keras


def with_layer(operation: object) -> keras.Model:
    inputs = keras.Input((6, 6, 2))
    return keras.Model(inputs, operation(keras.layers.Conv2D(3, 3)(inputs)))  # type: ignore[operator]


def dense_scales(tflite: bytes) -> int:
    """Scales of the FULLY_CONNECTED kernel."""
    model = flatbuffer.read(tflite)
    operator = next(op for name, op in flatbuffer.operators(model) if name == "FULLY_CONNECTED")
    return len(flatbuffer.subgraph(model).tensors[operator.inputs[1]].quantization.scale)


def test_int8_tells_what_the_float_model_tells() -> None:
    inputs = images(40)
    expected = small_keras().predict(inputs, verbose=0)
    (outputs,) = run(small_int8(), inputs)
    assert outputs.shape == expected.shape
    assert np.abs(outputs - expected).max() < 0.05 * np.abs(expected).max()


def test_the_same_model_gives_the_same_bytes() -> None:
    assert quantize(small_keras(), images(16)) == small_int8()


@pytest.mark.parametrize(("io", "dtype"), [("int8", np.int8), ("uint8", np.uint8), ("float", np.float32)])
def test_borders_have_the_asked_type_and_batch_one(io: str, dtype: type) -> None:
    interpreter = Interpreter(model_content=small_int8(io))
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (given["dtype"], made["dtype"]) == (dtype, dtype)
    assert given["shape"].tolist() == given["shape_signature"].tolist() == [1, 12, 12, 3]
    assert interpreter.get_signature_list() == {"serving_default": {"inputs": ["image"], "outputs": ["output_0"]}}
    assert set(check_operators(small_int8(io), io=io)) >= {"CONV_2D", "FULLY_CONNECTED"}


def test_inputs_and_outputs_keep_the_order_of_the_model() -> None:
    late, early = keras.Input((4, 4, 2), name="z"), keras.Input((3,), name="a")
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3)(late))
    doubled = keras.layers.Dense(2, use_bias=False, kernel_initializer="ones")(early)
    model = keras.Model([late, early], [pooled, doubled])
    rng = np.random.default_rng(0)
    calibration = [rng.normal(size=(8, 4, 4, 2)).astype(np.float32), 9 * rng.random((8, 3)).astype(np.float32)]
    outputs = run(quantize(model, calibration), calibration)
    for got, expected in zip(outputs, model.predict(calibration, verbose=0), strict=True):
        assert np.abs(got - expected).max() < 0.05 * np.abs(expected).max() + 0.02


def test_a_dense_layer_has_one_scale_where_asked() -> None:
    assert dense_scales(small_int8()) == 5
    assert dense_scales(small_int8(per_tensor_dense=True)) == 1


@pytest.mark.skipif(importlib.util.find_spec("xmos_ai_tools") is None, reason="xmos-ai-tools has no wheel here")
def test_tflite_micro_is_exact_with_one_scale_a_dense_layer() -> None:
    from compiler.backend.targets.tflm import run_tflm

    inputs = random_int8((8, 12, 12, 3))
    samples = [(inputs[i : i + 1],) for i in range(len(inputs))]

    def off_by(tflite: bytes) -> int:
        (expected,) = run_raw(tflite, inputs, kernels="reference")
        (got,), _ = run_tflm(tflite, samples, "TFLite Micro")
        return int(np.abs(got.astype(int) - expected.astype(int)).max())

    assert off_by(small_int8(per_tensor_dense=True)) == 0
    assert off_by(small_int8()) > 0  # why the flag exists; when this fails, it may go


def test_the_converter_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    quantize(with_layer(keras.layers.ReLU()), np.zeros((2, 6, 6, 2), np.float32))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("operation", "name"), [(keras.ops.erf, "Erf"), (keras.ops.sin, "SIN")])
def test_an_operator_without_an_int8_form_is_named(operation: object, name: str) -> None:
    with pytest.raises(UnsupportedLayer, match=rf"\b{name}\b.*replace the layers? that need"):
        quantize(with_layer(operation), np.ones((2, 6, 6, 2), np.float32))


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        (np.zeros((4, 12, 12, 1), np.float32), r"make it \(12, 12, 3\)"),
        (np.zeros((0, 12, 12, 3), np.float32), "at least one"),
        ([images(2), images(2)], "has 1 inputs"),
    ],
)
def test_calibration_that_does_not_fit_is_refused(calibration: object, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        quantize(small_keras(), calibration)  # type: ignore[arg-type]


def test_an_open_input_shape_is_refused() -> None:
    inputs = keras.Input((None, None, 3), name="photo")
    with pytest.raises(BadInput, match=r"'photo' has the open shape \(None, None, 3\)"):
        quantize(keras.Model(inputs, keras.layers.Conv2D(2, 1)(inputs)), images(2))
