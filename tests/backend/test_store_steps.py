"""Kernels of few bits stored as their steps: the same answers in every interpreter, half the bytes, nothing else."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

from compiler.backend.emit import emit
from compiler.backend.quantize import quantize
from compiler.backend.shrink import shrink
from compiler.backend.store_steps import steps_of, store_steps
from compiler.backend.stored_bytes import macs, stored_bytes
from compiler.backend.targets import TARGETS
from compiler.backend.targets.c import compose
from compiler.backend.verify import Kernels, agreement, run, run_raw
from compiler.surgery.round_kernels import on_few_bits
from compiler.tflite import flatbuffer
from compiler.tflite.nibbles import pack_nibbles, unpack_nibbles
from tests.tools import XMOS

X = np.random.default_rng(0).normal(size=(32, 6, 6, 5)).astype(np.float32)
CHANNELS = 7  # odd, and kernels of an odd number of weights


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """`on` and `point` lie on grids of four bits, `off` does not."""
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(1)
    x = inputs = keras.Input(X.shape[1:])
    x = layers.ReLU()(layers.Conv2D(CHANNELS, 3, padding="same", name="on")(x))
    x = layers.ReLU()(layers.Conv2D(CHANNELS, 3, padding="same", use_bias=False, name="off")(x))
    x = layers.ReLU()(layers.Conv2D(9, 1, name="point")(x))
    model = keras.Model(inputs, layers.Dense(4, name="logits")(layers.GlobalAveragePooling2D()(x)))
    for name in ("on", "point"):
        layer = model.get_layer(name)
        kernel, bias = layer.get_weights()
        scale = np.abs(kernel).max((0, 1, 2)) / 7
        layer.set_weights([np.rint(kernel / scale) * scale, random.normal(0, 0.1, bias.shape)])
    return model


@pytest.fixture(scope="module")
def int8(model: keras.Model) -> bytes:
    return quantize(model, X, per_tensor_dense=True)


@pytest.mark.parametrize("largest", range(1, 8))
def test_steps_come_through_the_converter(model: keras.Model, largest: int) -> None:
    """Half of an even number of steps is ±63.5 in int8: rounded this way and that it would be two values."""
    random = np.random.default_rng(largest)
    steps, widths = random.integers(-largest, largest + 1, size=(3, 3, CHANNELS, CHANNELS)), random.random(CHANNELS)
    steps[0, 0, :3] = [[largest], [-largest], [1]]
    stored, scale = through_the_converter(model, steps, widths)
    np.testing.assert_array_equal(stored, steps)  # not ±7 where ±1 are all
    np.testing.assert_allclose(scale, widths, rtol=1e-3)


def test_each_channel_has_a_largest_step_of_its_own(model: keras.Model) -> None:
    largest, widths = np.array([7, 3, 1, 6, 4, 2, 5]), np.geomspace(0.01, 0.1, CHANNELS)
    steps = np.rint(np.random.default_rng(3).uniform(-1, 1, size=(3, 3, CHANNELS, CHANNELS)) * largest).astype(int)
    steps[0, 0, 0] = largest
    steps[0, 0, 1] = 1
    stored, scale = through_the_converter(model, steps, widths)
    np.testing.assert_array_equal(stored, steps)
    np.testing.assert_allclose(scale, widths, rtol=1e-3)


def through_the_converter(model: keras.Model, steps: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(HWIO steps, scales) of "off" as the file has them, where it is `steps` of such widths."""
    few = keras.models.clone_model(model)
    few.set_weights(model.get_weights())
    few.get_layer("off").set_weights([(steps * widths).astype(np.float32)])
    tflite = store_steps(quantize(on_few_bits(few, {"off": widths}), X, per_tensor_dense=True))
    kernel = kernels_of(tflite)[CHANNELS, 3, 3, CHANNELS]
    assert kernel.type == schema.TensorType.INT4
    stored = flatbuffer.tensor_array(flatbuffer.read(tflite), kernel)
    assert stored is not None
    return stored.transpose(1, 2, 3, 0), np.asarray(kernel.quantization.scale)


def kernels_of(tflite: bytes) -> dict[tuple[int, ...], schema.TensorT]:
    model = flatbuffer.read(tflite)
    tensors = flatbuffer.subgraph(model).tensors
    found = [tensors[op.inputs[1]] for name, op in flatbuffer.operators(model) if name == "CONV_2D"]
    return {flatbuffer.shape_of(tensor): tensor for tensor in found}


@pytest.mark.parametrize("kernels", ["reference", "xnnpack"])
def test_answers_are_near_those_of_the_float_network(model: keras.Model, int8: bytes, kernels: Kernels) -> None:
    expected = np.asarray(model(X))
    eight, four = (agreement([expected], run(f, X, kernels=kernels)).snr_db for f in (int8, shrink(store_steps(int8))))
    assert min(eight, four) > 35  # XNNPACK leaves INT4 to the reference kernels, which round otherwise


def test_only_what_four_bits_hold_is_packed(int8: bytes) -> None:
    types = {shape: tensor.type for shape, tensor in kernels_of(store_steps(int8)).items()}
    assert types == {
        (CHANNELS, 3, 3, 5): schema.TensorType.INT4,
        (CHANNELS, 3, 3, CHANNELS): schema.TensorType.INT8,
        (9, 1, 1, CHANNELS): schema.TensorType.INT4,
    }


def test_the_kernel_is_exact_and_counted_by_its_bytes(int8: bytes) -> None:
    small = store_steps(int8)
    for shape in ((CHANNELS, 3, 3, 5), (9, 1, 1, CHANNELS)):
        fine, coarse = kernels_of(int8)[shape], kernels_of(small)[shape]
        values = [flatbuffer.tensor_array(flatbuffer.read(f), t) for f, t in ((int8, fine), (small, coarse))]
        assert values[0] is not None
        assert values[1] is not None
        assert np.abs(values[1]).max() == 7
        scales = [np.asarray(t.quantization.scale, np.float64)[:, None, None, None] for t in (fine, coarse)]
        np.testing.assert_allclose(scales[1] * 7, scales[0] * 127, rtol=1e-6)
        assert np.array_equal(np.rint(values[1] * (127 / 7)), values[0])
    odd, even = CHANNELS * 45, 9 * CHANNELS
    before, after = stored_bytes(int8), stored_bytes(small)
    assert after.params == before.params
    assert before.weight_bytes - after.weight_bytes == odd // 2 + even // 2
    assert macs(small) == macs(int8)


@pytest.mark.parametrize("target", ["mobile", "ethos_u"])
def test_steps_are_stored_in_eight_bits_where_a_tool_codes_them(model: keras.Model, int8: bytes, target: str) -> None:
    """The same steps at the same scales beside the same biases, so the same answers."""
    eight, four = store_steps(int8, in_four_bits=False), store_steps(int8)
    shape = (CHANNELS, 3, 3, 5)
    steps = [flatbuffer.tensor_array(flatbuffer.read(f), kernels_of(f)[shape]) for f in (eight, four)]
    assert steps[0] is not None
    assert steps[1] is not None
    assert kernels_of(eight)[shape].type == schema.TensorType.INT8
    np.testing.assert_array_equal(*steps)
    for first, second in zip(kernels_of(eight).values(), kernels_of(four).values(), strict=True):
        np.testing.assert_array_equal(first.quantization.scale, second.quantization.scale)
    for first, second in zip(biases_of(eight), biases_of(four), strict=True):
        np.testing.assert_array_equal(first, second)
    for first, second in zip(*(run_raw(f, X, kernels="reference") for f in (eight, four)), strict=True):
        np.testing.assert_array_equal(first, second)
    emitted = kernels_of(emit(model, [X], TARGETS[target], few_bits=True))[shape]
    assert emitted.type == (schema.TensorType.INT4 if target == "mobile" else schema.TensorType.INT8)
    np.testing.assert_allclose(emitted.quantization.scale, kernels_of(four)[shape].quantization.scale, rtol=1e-6)


def test_biases_and_what_they_are_beside_stay_as_they_were(int8: bytes) -> None:
    """In the wider unit of a step: off by half a unit at most."""
    few = store_steps(int8)
    for before, after in zip(biases_of(int8), biases_of(few), strict=True):
        np.testing.assert_allclose(after[0] * after[1], before[0] * before[1], atol=0.5 * after[1].max())
    for tflite in (int8, few):
        model = flatbuffer.read(tflite)
        tensors = flatbuffer.subgraph(model).tensors
        for x, kernel, bias in (
            [tensors[i] for i in op.inputs] for name, op in flatbuffer.operators(model) if name == "CONV_2D"
        ):
            unit = np.float64(x.quantization.scale) * np.asarray(kernel.quantization.scale, np.float64)
            np.testing.assert_allclose(bias.quantization.scale, unit, rtol=1e-6)


def biases_of(tflite: bytes) -> list[tuple[np.ndarray, np.ndarray]]:
    """(Sums, scales) of each convolution."""
    model = flatbuffer.read(tflite)
    tensors = flatbuffer.subgraph(model).tensors
    found = [tensors[op.inputs[2]] for name, op in flatbuffer.operators(model) if name == "CONV_2D"]
    arrays = [(flatbuffer.tensor_array(model, t), np.asarray(t.quantization.scale, np.float64)) for t in found]
    return [(sums, scale) for sums, scale in arrays if sums is not None]


def test_a_kernel_that_two_layers_read_stays(int8: bytes) -> None:
    model = flatbuffer.read(int8)
    convs = [op for name, op in flatbuffer.operators(model) if name == "CONV_2D"]
    convs[0].inputs = np.array([convs[0].inputs[0], convs[2].inputs[1], convs[0].inputs[2]], np.int32)
    shared = kernels_of(store_steps(flatbuffer.write(model)))
    assert shared[(9, 1, 1, CHANNELS)].type == schema.TensorType.INT8


@pytest.mark.parametrize(("target", "stored"), [("mobile", "INT8"), ("c", "INT4")])
def test_zeros_of_a_kernel_of_few_bits_are_left_to_sparse_storage_where_a_file_is_run(target: str, stored: str) -> None:
    """The emitted C codes them in fewer bits than TFLite's sparse format, and has to see that they are few values."""
    random = np.random.default_rng(2)
    x = inputs = keras.Input((6, 6, 64))
    net = keras.Model(inputs, layers.Conv2D(64, 3, padding="same")(x))
    steps = random.integers(-3, 4, (3, 3, 64, 64)) * (random.random((3, 3, 64, 64)) < 0.2)
    steps[0, 0, 0] = 3
    net.layers[-1].set_weights([steps * np.float32(0.01), np.zeros(64)])
    x = random.normal(size=(8, 6, 6, 64)).astype(np.float32)
    model = flatbuffer.read(emit(net, [x], TARGETS[target], few_bits=True))
    kinds = {t.type for t in flatbuffer.subgraph(model).tensors if np.prod(flatbuffer.shape_of(t)) == steps.size}
    assert kinds == {getattr(schema.TensorType, stored)}
    if target == "c":
        emitted = compose(flatbuffer.write(model))
        assert "conv2d_coded_s8.c" in emitted.files
        assert emitted.params == steps.size + 64


@given(st.lists(st.integers(-7, 7), min_size=1, max_size=40))
def test_steps_come_back(steps: list[int]) -> None:
    n = np.array([7, 1, *steps], np.int8)  # 1: on the grid of 7 steps it is none
    assert np.array_equal(unpack_nibbles(pack_nibbles(n))[: len(n)], n)
    found = steps_of(kernel_of(n * (127 / 7)))
    assert found is not None
    assert np.array_equal(found[0].ravel(), n)
    np.testing.assert_allclose(found[1], 127 / 7)


@given(st.lists(st.integers(-7, 7), min_size=1, max_size=40), st.floats(7, 126))
def test_a_channel_of_a_coarser_scale_is_found_too(steps: list[int], largest: float) -> None:
    n = np.array([7, 1, *steps], np.int8)
    quiet = np.rint(n * largest / 7)
    both = np.stack([kernel_of(n * (127 / 7))[0], kernel_of(quiet)[0]])
    found = steps_of(both)
    assert found is not None
    assert np.array_equal(found[0][0].ravel(), n)
    assert np.abs(found[0][1].ravel() * found[1][1] - quiet).max() <= 1


@given(st.lists(st.lists(st.integers(-7, 7), min_size=6, max_size=6), max_size=6))
def test_channels_are_told_apart_from_each_other(rows: list[list[int]]) -> None:
    """Each by the least N that does: 0, 2 and 4 of 6 are 0, 1 and 2 of 3."""
    n = np.array([[7, 1, 0, 0, 0, 0], *rows])
    largest = np.maximum(np.abs(n).max(axis=1, keepdims=True), 1)
    found = steps_of(np.rint(127 * n / largest).astype(np.int8)[:, None, None])
    assert found is not None
    divisor = np.maximum(np.gcd.reduce(n, axis=1, keepdims=True), 1)
    np.testing.assert_array_equal(found[0][:, 0, 0], n // divisor)
    alive = np.any(n, axis=1)
    np.testing.assert_allclose(found[1][alive], (127 * divisor / largest)[alive, 0])
    assert np.all(found[1] >= 1)  # a bias in units of steps is no larger than it was


def kernel_of(values: np.ndarray) -> np.ndarray:
    """An OHWI kernel of one output channel."""
    return np.rint(values).astype(np.int8).reshape(1, 1, 1, -1)


@pytest.mark.parametrize("value", [1, 17, 19, 126, -128])
def test_other_values_are_no_steps(value: int) -> None:
    assert steps_of(kernel_of(np.array([0, 127, value]))) is None


def test_a_channel_beside_a_huge_bias_keeps_it() -> None:
    """The converter coarsens its scale until the bias is 2^30; at the scale of four bits it would leave int32."""
    x = inputs = keras.Input(X.shape[1:])
    model = keras.Model(inputs, layers.Conv2D(4, 1, name="on")(x))
    kernel = np.random.default_rng(2).integers(-7, 8, (1, 1, 5, 4)).astype(np.float32)
    kernel[0, 0, 0] = 7
    for quiet in (2e-7, 1e-7, 5e-8):
        scaled = 0.05 * kernel
        scaled[..., 1] *= quiet
        model.get_layer("on").set_weights([scaled, np.float32([0, 0.5, 0, 0])])
        small = store_steps(quantize(model, X))
        assert kernels_of(small)[(4, 1, 1, 5)].type == schema.TensorType.INT4
        np.testing.assert_allclose(run(small, X)[0][..., 1], 0.5, atol=0.05)


def test_what_is_smaller_sparse_is_left_to_the_sparse_encoding() -> None:
    inputs = keras.Input((6, 6, 64))
    model = keras.Model(inputs, layers.Conv2D(64, 1, use_bias=False, name="shuffle")(inputs))
    model.get_layer("shuffle").set_weights(
        [np.eye(64, dtype=np.float32)[np.random.default_rng(0).permutation(64)][None, None]]
    )
    tflite = quantize(model, np.random.default_rng(0).normal(size=(8, 6, 6, 64)).astype(np.float32))
    assert kernels_of(store_steps(tflite))[(64, 1, 1, 64)].type == schema.TensorType.INT4
    assert kernels_of(store_steps(tflite, or_sparse=True))[(64, 1, 1, 64)].type == schema.TensorType.INT8


@XMOS
def test_tflite_micro_computes_the_same(int8: bytes) -> None:
    target = TARGETS["cortex_m"]
    small = shrink(store_steps(int8))
    assert target.verify(small, (X[:8],)).max_lsb == 0
    assert target.measure(small, (X[:1],)).flash_bytes < target.measure(shrink(int8), (X[:1],)).flash_bytes
