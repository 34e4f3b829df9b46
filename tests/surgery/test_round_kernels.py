"""Rounded kernels are what the file holds, means are the float network's, and the gate is the held-out inputs'."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers

from compiler.backend.quantize import quantize
from compiler.decompose.round_to_grid import grid_of
from compiler.decompose.whole_steps import whole_steps
from compiler.surgery.round_kernels import (
    as_groups,
    few_bit_layers,
    is_rounded,
    on_few_bits,
    round_kernels,
    second_moments,
)
from compiler.types import ConvSite
from tests.frontend.networks import randomize

SHAPE = (8, 8, 3)


def network() -> keras.Model:
    """Every kind that is rounded: strided, 1×1 without bias, depthwise with a multiplier, shared, Dense."""
    x = inputs = keras.Input(SHAPE, name="image")
    x = layers.ReLU()(layers.Conv2D(6, 3, strides=2, padding="same", name="conv")(x))
    x = layers.Conv2D(4, 1, use_bias=False, name="first")(x)
    x = layers.ReLU()(layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", name="depthwise")(x))
    shared = layers.Conv2D(8, 3, padding="same", name="shared")
    x = layers.ReLU()(shared(shared(x)))
    return randomize(keras.Model(inputs, layers.Dense(5, name="logits")(layers.GlobalAveragePooling2D()(x))))


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(0.5, 1.0, size=(48, *SHAPE)).astype(np.float32)


@pytest.mark.parametrize("per_tensor", [False, True])
def test_the_file_holds_the_rounded_kernels(x: np.ndarray, per_tensor: bool) -> None:
    model = network()
    rounded, kept = round_kernels(model, [x], [x[:8]], per_tensor_dense=per_tensor, seed=0, keep=True)
    assert kept
    tflite = quantize(rounded, x, per_tensor_dense=per_tensor)
    interpreter = Interpreter(model_content=tflite)
    interpreter.allocate_tensors()
    tensors = [t["index"] for t in interpreter.get_tensor_details() if t["dtype"] is np.int8]
    stored = [sorted(constant(interpreter, index).ravel().tolist()) for index in tensors]
    for layer in filter(is_rounded, rounded.layers):
        kernel = layer.get_weights()[0]
        groups = as_groups(kernel, layer)
        grid = grid_of(groups, per_tensor=per_tensor and layer.name == "logits")
        whole = groups / grid
        np.testing.assert_allclose(whole, np.rint(whole), atol=1e-3)
        assert sorted(np.rint(whole).astype(int).ravel().tolist()) in stored, layer.name


def constant(interpreter: Interpreter, index: int) -> np.ndarray:
    """A tensor's values; none where it is no constant and nothing has been computed."""
    try:
        return interpreter.get_tensor(index)
    except ValueError:
        return np.empty(0)


def test_means_are_those_of_the_float_network(x: np.ndarray) -> None:
    """Exactly so right behind a bias that was corrected; nearest rounding moves them."""
    model = network()
    rounded, _ = round_kernels(model, [x], [x[:8]], per_tensor_dense=False, seed=0, keep=True)
    for name in ("conv", "depthwise", "logits"):
        seen = [np.asarray(keras.Model(m.input, m.get_layer(name).output)(x)) for m in (model, rounded)]
        axes = tuple(range(seen[0].ndim - 1))
        assert np.abs(seen[1] - seen[0]).max() > 1e-4
        np.testing.assert_allclose(seen[1].mean(axes), seen[0].mean(axes), atol=1e-5 * np.abs(seen[0]).max())


def test_the_network_is_not_touched_and_the_gate_decides(x: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    before = [w.copy() for w in model.get_weights()]
    rounded, kept = round_kernels(model, [x[:32]], [x[32:]], per_tensor_dense=False, seed=0)
    assert kept
    assert rounded is not model
    for was, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)
    assert round_kernels(model, [x], [x], per_tensor_dense=False, seed=0, keep=False) == (model, False)
    ruined = {layer.name: [0 * w for w in layer.get_weights()] for layer in model.layers if layer.get_weights()}
    monkeypatch.setattr("compiler.surgery.round_kernels.rounded_weights", lambda *_, **__: ruined)
    assert round_kernels(model, [x[:32]], [x[32:]], per_tensor_dense=False, seed=0) == (model, False)


def test_outputs_move_less_than_under_nearest_rounding(x: np.ndarray) -> None:
    """What the gate compares, on inputs that neither saw."""
    model = network()
    rounded, _ = round_kernels(model, [x[:32]], [x[32:]], per_tensor_dense=False, seed=0, keep=True)
    fresh = np.random.default_rng(1).normal(0.5, 1.0, size=(64, *SHAPE)).astype(np.float32)

    def error(tflite: bytes) -> float:
        interpreter = Interpreter(model_content=tflite)
        interpreter.allocate_tensors()
        (given,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
        total = 0.0
        for image, expected in zip(fresh, np.asarray(model(fresh)), strict=True):
            interpreter.set_tensor(given["index"], image[None])
            interpreter.invoke()
            total += float(np.sum((interpreter.get_tensor(answer["index"])[0] - expected) ** 2))
        return total

    assert error(quantize(rounded, x, io="float")) < error(quantize(model, x, io="float"))


def test_moments_of_a_depthwise_layer_are_those_of_each_channel() -> None:
    random = np.random.default_rng(2)
    x = random.normal(1.0, 1.0, size=(4, 5, 5, 3)).astype(np.float32)
    site = ConvSite("depthwise", "conv", (3, 3), 3, 1)
    sigma = second_moments(x, site, 3, False, 0)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))  # (n, h, w, c, 3, 3)
    for channel in range(3):
        own = windows[:, :, :, channel].reshape(-1, 9)
        np.testing.assert_allclose(sigma[channel], own.T @ own / len(own), rtol=2e-2, atol=2e-2)
    whole = second_moments(x, site, 1, True, 0)
    assert whole.shape == (1, 27, 27)


def in_steps(seed: int, *names: str) -> tuple[keras.Model, dict[str, np.ndarray]]:
    """The network with those layers in whole steps, at most 1 to 7 in a channel, and how wide each channel's are."""
    random, model, widths = np.random.default_rng(seed), network(), {}
    for name in names:
        kernel, *bias = model.get_layer(name).get_weights()
        largest = random.integers(1, 8, size=kernel.shape[-1])
        steps = np.rint(random.uniform(-1, 1, size=kernel.shape) * largest)
        steps[0, 0, 0], steps[0, 0, 1] = largest, 1
        widths[name] = random.uniform(0.02, 0.1, size=kernel.shape[-1])
        model.get_layer(name).set_weights([(steps * widths[name]).astype(np.float32), *bias])
    return model, widths


def test_layers_of_few_bits_are_found_by_their_steps() -> None:
    model, widths = in_steps(0, "shared", "conv")
    assert few_bit_layers(network()) == {}
    for found in (few_bit_layers(model), few_bit_layers(on_few_bits(model, widths))):
        assert found.keys() == widths.keys()
        for name, scale in found.items():
            np.testing.assert_allclose(scale, widths[name], rtol=1e-3)


@pytest.mark.parametrize("keep", [True, False])
def test_kernels_of_few_bits_stay_as_they_are(x: np.ndarray, keep: bool) -> None:
    """But for a hair; the others are rounded to int8 where that is kept."""
    model, widths = in_steps(1, "shared")
    options = {"per_tensor_dense": False, "seed": 0, "few_bits": widths}
    rounded, _ = round_kernels(model, [x], [x[:8]], **options, keep=keep)
    kernels = [m.get_layer("shared").get_weights()[0] for m in (model, rounded)]
    np.testing.assert_allclose(kernels[1], kernels[0], rtol=1e-3)
    assert whole_steps(rounded.get_layer("conv").get_weights()[0].reshape(-1, 6)) is None
    unmoved = np.array_equal(*(m.get_layer("conv").get_weights()[0] for m in (model, rounded)))
    assert unmoved is not keep
    again, _ = round_kernels(rounded, [x], [x[:8]], **options, keep=True)
    np.testing.assert_allclose(again.get_layer("shared").get_weights()[0], kernels[1], rtol=1e-6)


def test_what_training_moved_comes_back_to_its_nearest_step() -> None:
    """Of the widths that it had, 7 at most, however far a weight went."""
    model, widths = in_steps(2, "conv")
    layer = model.get_layer("conv")
    before, *bias = layer.get_weights()
    random = np.random.default_rng(0)
    layer.set_weights([before + random.uniform(-0.45, 0.45, before.shape) * widths["conv"], *bias])
    after = on_few_bits(model, widths).get_layer("conv").get_weights()[0]
    np.testing.assert_allclose(after, before, rtol=1e-3)
    layer.set_weights([before + 20 * widths["conv"], *bias])
    after = on_few_bits(model, widths).get_layer("conv").get_weights()[0]
    np.testing.assert_allclose(after, np.broadcast_to(7 * widths["conv"], after.shape), rtol=1e-6)
