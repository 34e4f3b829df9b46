"""Channels whose value no input changes go, everything else stays, and no output moves."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from compiler.errors import CheckFailed
from compiler.surgery import drop_constant_channels as module
from compiler.surgery.drop_constant_channels import drop_constant_channels
from tests.frontend.networks import randomize


def built(body: Any, channels: int = 8) -> keras.Model:
    """stem (3×3, `channels`) → ReLU → `body` → GlobalAveragePooling → Dense. Biases are above 0, so that every ReLU
    opens."""
    x = inputs = keras.Input((7, 6, 3))
    x = layers.ReLU(name="closing")(layers.Conv2D(channels, 3, padding="same", name="stem")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(body(x))
    model = randomize(keras.Model(inputs, layers.Dense(4, name="logits")(x)))
    for layer in model.layers:
        if layer.weights and layer.use_bias:
            *kernel, bias = layer.get_weights()
            layer.set_weights([*kernel, np.abs(bias) + 0.1])
    return model


def kill(model: keras.Model, name: str, channels: list[int], bias: float) -> None:
    """No weight is left of these outputs."""
    layer = model.get_layer(name)
    kernel, biases = layer.get_weights()
    kernel[..., channels] = 0
    biases[channels] = bias
    layer.set_weights([kernel, biases])


def widths(model: keras.Model) -> dict[str, tuple[int, ...]]:
    return {layer.name: layer.get_weights()[0].shape for layer in model.layers if layer.weights}


def assert_same(one: keras.Model, other: keras.Model) -> None:
    x = 3 * np.random.default_rng(0).normal(size=(5, *one.inputs[0].shape[1:])).astype(np.float32)
    expected, found = np.asarray(one(x)), np.asarray(other(x))
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def point(name: str, channels: int = 5) -> Any:
    return lambda x: layers.ReLU()(layers.Conv2D(channels, 1, name=name)(x))


@pytest.mark.parametrize("bias", [-0.5, 0.0, 0.5])
def test_a_constant_goes_into_the_bias_of_what_reads_it(bias: float) -> None:
    model = built(point("next"))
    kill(model, "stem", [1, 6], bias)
    lean = drop_constant_channels(model)
    assert widths(lean) == {"stem": (3, 3, 3, 6), "next": (1, 1, 6, 5), "logits": (5, 4)}
    assert_same(model, lean)


@pytest.mark.parametrize(("bias", "left"), [(-0.5, 6), (0.5, 8)])
def test_behind_a_border_only_nothing_may_go(bias: float, left: int) -> None:
    model = built(lambda x: layers.ReLU()(layers.Conv2D(5, 3, padding="same", name="next")(x)))
    kill(model, "stem", [1, 6], bias)
    lean = drop_constant_channels(model)
    assert widths(lean)["next"] == (3, 3, left, 5)
    assert (lean is model) == (left == 8)
    assert_same(model, lean)


def test_a_valid_window_reads_constants_everywhere() -> None:
    model = built(lambda x: layers.ReLU()(layers.Conv2D(5, 3, name="next")(x)))
    kill(model, "stem", [1, 6], 0.5)
    lean = drop_constant_channels(model)
    assert widths(lean)["next"] == (3, 3, 6, 5)
    assert_same(model, lean)


@pytest.mark.parametrize("dead", [-0.2, 0.7])
def test_a_depthwise_filter_goes_with_its_channel(dead: float) -> None:
    """Its own bias is what comes out of it then, and that goes into the bias behind."""

    def body(x: Any) -> Any:
        x = layers.ReLU(6.0)(layers.DepthwiseConv2D(3, strides=2, padding="same", name="depthwise")(x))
        return point("next")(layers.MaxPooling2D()(x))

    model = built(body)
    kill(model, "stem", [0, 1, 6], -1.0)
    kernel, bias = model.get_layer("depthwise").get_weights()
    bias[[0, 1, 6]] = dead
    model.get_layer("depthwise").set_weights([kernel, bias])
    lean = drop_constant_channels(model)
    assert widths(lean) == {
        "stem": (3, 3, 3, 5),
        "depthwise": (3, 3, 5, 1),
        "next": (1, 1, 5, 5),
        "logits": (5, 4),
    }
    assert_same(model, lean)


def test_in_a_sum_both_have_to_be_constant() -> None:
    def body(x: Any) -> Any:
        left, right = layers.Conv2D(6, 1, name="left")(x), layers.Conv2D(6, 1, name="right")(x)
        return point("next")(layers.ReLU()(layers.Add()([left, right])))

    model = built(body)
    kill(model, "left", [0, 1, 2], 0.3)
    kill(model, "right", [1, 2, 3], 0.4)
    lean = drop_constant_channels(model)
    found = widths(lean)
    assert (found["left"], found["right"], found["next"][2]) == ((1, 1, 8, 4), (1, 1, 8, 4), 4)
    assert_same(model, lean)


def test_a_relu_that_nothing_opens() -> None:
    """Six at most comes in; the bias lies below all that six can add up to."""
    model = built(lambda x: point("next")(layers.ReLU(6.0, name="six")(x)))
    kernel, bias = model.get_layer("next").get_weights()
    most = 6 * np.maximum(kernel, 0).sum(axis=(0, 1, 2))
    bias[2], bias[3] = -1.001 * most[2], -0.999 * most[3]
    model.get_layer("next").set_weights([kernel, bias])
    lean = drop_constant_channels(model)
    assert widths(lean)["next"] == (1, 1, 8, 4)
    assert np.allclose(np.delete(bias, 2), lean.get_layer("next").get_weights()[1])
    assert_same(model, lean)


def test_outputs_shared_layers_and_excluded_ones_stay() -> None:
    shared = layers.Conv2D(8, 1, name="shared")
    model = built(lambda x: point("next")(layers.ReLU()(shared(layers.ReLU()(shared(x))))))
    kill(model, "stem", [1], -1.0)  # read by the shared layer
    kill(model, "shared", [2], -1.0)
    kill(model, "logits", [0], 1.0)
    assert drop_constant_channels(model) is model
    kill(model, "next", [0, 1], -1.0)
    assert widths(drop_constant_channels(model))["next"] == (1, 1, 8, 3)
    assert drop_constant_channels(model, keep=frozenset({"next"})) is model
    assert drop_constant_channels(model, keep=frozenset({"logits"})) is model


def test_a_map_that_is_an_output_too_keeps_its_channels() -> None:
    x = inputs = keras.Input((7, 6, 3))
    x = seen = layers.ReLU()(layers.Conv2D(8, 3, name="stem")(x))
    x = layers.Dense(4, name="logits")(layers.GlobalAveragePooling2D()(x))
    model = randomize(keras.Model(inputs, [x, seen]))
    kill(model, "stem", [1], -1.0)
    assert drop_constant_channels(model) is model


def test_on_a_grid_some_stay() -> None:
    model = built(point("next"))
    kill(model, "stem", [0, 1, 2], -1.0)
    lean = drop_constant_channels(model, grid=lambda channels: 4)
    assert lean is model  # five are alive, eight a multiple of four
    kill(model, "stem", [0, 1, 2, 7], -1.0)
    assert widths(drop_constant_channels(model, grid=lambda channels: 4))["stem"] == (3, 3, 3, 4)
    kill(model, "stem", list(range(8)), -1.0)
    lean = drop_constant_channels(model)
    assert widths(lean)["stem"] == (3, 3, 3, 1)
    assert_same(model, lean)


def test_a_reshape_in_front_of_a_convolution() -> None:
    x = inputs = keras.Input((7, 6, 3))
    x = layers.ReLU()(layers.Conv2D(8, 3, name="stem")(x))
    x = layers.Reshape((1, 1, 8), name="reshape")(layers.GlobalAveragePooling2D()(x))
    x = layers.Flatten()(layers.Conv2D(4, 1, name="logits")(x))
    model = randomize(keras.Model(inputs, layers.Softmax()(x)))
    kill(model, "stem", [3], 0.25)
    lean = drop_constant_channels(model)
    assert widths(lean) == {"stem": (3, 3, 3, 7), "logits": (1, 1, 7, 4)}
    assert_same(model, lean)


def test_random_networks_answer_as_before() -> None:
    narrower = []

    @given(seed=st.integers(0, 2**32 - 1))
    @settings(max_examples=25, deadline=None)
    def check(seed: int) -> None:
        model = random_network(seed)
        lean = drop_constant_channels(model)
        narrower.append(lean is not model)
        assert_same(model, lean)

    check()
    assert sum(narrower) > len(narrower) / 2


def random_network(seed: int) -> keras.Model:
    random = np.random.default_rng(seed)

    def body(x: Any) -> Any:
        one = layers.ReLU(6.0)(layers.DepthwiseConv2D(3, padding="same", name="a")(x))
        one = layers.Conv2D(8, 1, use_bias=bool(random.integers(2)), name="b")(one)
        both = layers.Activation("tanh")(layers.Add()([x, one]))
        return layers.LeakyReLU()(layers.Conv2D(6, 3, padding=str(random.choice(["same", "valid"])), name="c")(both))

    model = built(body)
    for name in ("stem", "b", "c"):
        layer = model.get_layer(name)
        kernel, *bias = layer.get_weights()
        dead = random.random(kernel.shape[-1]) < 0.5
        kernel[..., dead] = 0
        for values in bias:
            values[dead] = random.choice([-1.0, 0.0, 0.5], int(dead.sum()))
        layer.set_weights([kernel, *bias])
    return model


def test_a_wrong_rewrite_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "sees_border", lambda operation: False)
    wrong = built(lambda x: layers.ReLU()(layers.Conv2D(5, 3, padding="same", name="next")(x)))
    kill(wrong, "stem", [1, 6], 2.0)
    with pytest.raises(CheckFailed, match="leaving out constant channels leaves the network as it is"):
        drop_constant_channels(wrong)
