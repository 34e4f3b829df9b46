from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from compiler.backend.quantize import quantize
from compiler.backend.verify import SHARE, Kernels, agreement, check_operators, run, run_raw, snr_db, verify
from compiler.errors import BadInput, CheckFailed
from compiler.tflite import flatbuffer
from tests.backend.networks import conv_file, images, random_int8, small_int8, small_keras


def changed(change: Callable[[schema.ModelT], None], io: str = "int8") -> bytes:
    model = flatbuffer.read(small_int8(io))
    change(model)
    return flatbuffer.write(model)


def test_the_figures_of_a_good_file() -> None:
    inputs = images(50)
    expected = small_keras().predict(inputs, verbose=0)
    seen = verify(small_int8(), expected, np.roll(expected, 1, axis=1), inputs)
    assert seen.samples == 50
    assert seen.operators == (("CONV_2D", 2), ("FULLY_CONNECTED", 1), ("PAD", 1), ("RESHAPE", 1))
    assert 25 < seen.quantized.snr_db < 50
    (outputs,) = run(small_int8(), inputs)
    assert seen.quantized.snr_db == snr_db(expected, outputs)
    assert seen.quantized.top1_agreement == np.mean(outputs.argmax(1) == expected.argmax(1)) > 0.9
    assert seen.original.top1_agreement is not None
    assert seen.original.top1_agreement < 0.5


def test_agreement_falls_when_the_model_is_another() -> None:
    inputs = images(50)
    turned = np.roll(small_keras().predict(inputs, verbose=0), 1, axis=1)
    seen = verify(small_int8(), turned, turned, inputs).quantized
    assert seen.top1_agreement is not None
    assert seen.top1_agreement < 0.5
    assert seen.snr_db < 5


def test_outputs_that_are_no_classes_have_no_agreement() -> None:
    tflite = conv_file(random_int8((4, 3, 3, 2)))
    inputs = random_int8((3, 6, 6, 2))
    outputs = run(tflite, inputs)
    seen = verify(tflite, outputs, outputs, inputs).original
    assert seen.top1_agreement is None
    assert seen.snr_db == float("inf")


def test_signal_to_noise_ratio() -> None:
    signal = np.float32([3, 4])
    assert snr_db(signal, signal + np.float32([0.3, 0.4])) == pytest.approx(20, abs=1e-4)
    assert snr_db(signal, signal) == float("inf")


def test_outputs_are_dequantized_and_floats_quantized_as_the_file_says() -> None:
    inputs = images(4)
    model = flatbuffer.read(small_int8())
    graph = flatbuffer.subgraph(model)
    given, made = (graph.tensors[i[0]].quantization for i in (graph.inputs, graph.outputs))
    integers = np.clip(np.rint(inputs / given.scale) + given.zeroPoint, -128, 127).astype(np.int8)
    (raw,) = run_raw(small_int8(), integers)
    (outputs,) = run(small_int8(), inputs)
    assert raw.dtype == np.int8
    assert np.allclose(outputs, (raw.astype(np.float64) - made.zeroPoint) * made.scale, rtol=1e-6)


def test_both_kinds_of_kernels_and_threads_tell_the_same_story() -> None:
    inputs = random_int8((6, 12, 12, 3))
    (reference,) = run_raw(small_int8(), inputs, kernels="reference")
    (fast,) = run_raw(small_int8(), inputs, threads=2)
    assert np.abs(reference.astype(int) - fast.astype(int)).max() <= 3


@pytest.mark.parametrize("threads", [2, 4, 9])
def test_reference_kernels_answer_in_order_on_any_number_of_threads(threads: int) -> None:
    inputs = random_int8((2 * SHARE + 7, 12, 12, 3))
    (one,) = run_raw(small_int8(), inputs, kernels="reference")
    (several,) = run_raw(small_int8(), inputs, kernels="reference", threads=threads)
    assert len(np.unique(one, axis=0)) == len(inputs)
    np.testing.assert_array_equal(one, several)


def test_float_operators_are_refused() -> None:
    def to_float(model: schema.ModelT) -> None:
        operator = next(op for name, op in flatbuffer.operators(model) if name == "PAD")
        flatbuffer.subgraph(model).tensors[operator.outputs[0]].type = schema.TensorType.FLOAT32

    with pytest.raises(CheckFailed, match="works in float in CONV_2D, PAD"):
        check_operators(changed(to_float))


def test_a_turn_to_float_inside_is_refused() -> None:
    def inner_float(model: schema.ModelT) -> None:
        graph = flatbuffer.subgraph(model)
        graph.outputs = np.array([graph.operators[-1].inputs[0]], np.int32)
        graph.inputs = np.array([graph.operators[0].outputs[0]], np.int32)

    with pytest.raises(CheckFailed, match="turns to float and back inside"):
        check_operators(changed(inner_float, "float"))


def test_operators_that_are_no_builtins_are_refused() -> None:
    def custom(model: schema.ModelT) -> None:
        code = model.operatorCodes[0]
        code.builtinCode, code.deprecatedBuiltinCode, code.customCode = 32, 32, b"FlexErf"

    with pytest.raises(CheckFailed, match="FlexErf"):
        check_operators(changed(custom))


@pytest.mark.parametrize(("io", "asked", "seen"), [("float", "int8", "float32"), ("int8", "uint8", "int8")])
def test_borders_of_another_type_are_refused(io: str, asked: str, seen: str) -> None:
    with pytest.raises(CheckFailed, match=f"input 'serving_default_image:0' of the file is {seen}, not {asked}"):
        check_operators(small_int8(io), io=asked)


def test_a_file_that_does_not_load_is_refused() -> None:
    def break_shape(model: schema.ModelT) -> None:
        operator = next(op for name, op in flatbuffer.operators(model) if name == "FULLY_CONNECTED")
        flatbuffer.subgraph(model).tensors[operator.inputs[1]].shape = np.int32([5, 7])

    with pytest.raises(CheckFailed, match=r"does not (load|run) the file: "):
        run(changed(break_shape), images(1))


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadInput, match=r"takes arrays of shape \(N, 12, 12, 3\), not \(2, 12, 12, 1\)"):
        run(small_int8(), np.zeros((2, 12, 12, 1), np.float32))
    with pytest.raises(BadInput, match="has 1 inputs and 2 arrays"):
        run(small_int8(), [images(1), images(1)])
    with pytest.raises(CheckFailed, match="outputs have shapes"):
        verify(small_int8(), np.zeros((2, 4), np.float32), np.zeros((2, 10), np.float32), images(2))


@pytest.mark.parametrize("kernels", ["reference", "xnnpack"])
def test_operators_that_the_reference_set_is_behind_with_run_all_the_same(kernels: Kernels) -> None:
    """TILE 3, which nearest upsampling becomes."""
    x = np.random.default_rng(0).normal(size=(8, 4, 4, 3)).astype(np.float32)
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, keras.layers.UpSampling2D(2)(keras.layers.Conv2D(4, 1)(inputs)))
    tflite = quantize(model, x)
    expected = np.asarray(model(x))
    assert agreement([expected], run(tflite, x, kernels=kernels)).snr_db > 30
