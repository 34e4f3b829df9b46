"""Tiny networks of every shape of graph that the front end has to read, with weights and statistics that matter."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
from keras import layers, ops

from compiler.frontend.graph import graph_of


def randomize(model: keras.Model, seed: int = 0) -> keras.Model:
    """Random weights; BatchNorm and Normalization get means around 0 and variances around 1."""
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.name.endswith("variance"):
            value = generator.uniform(0.5, 2.0, weight.shape)
        elif weight.name == "gamma":
            value = generator.uniform(0.5, 1.5, weight.shape)
        else:
            value = generator.normal(0.0, 0.3, weight.shape)
        weight.assign(value)
    for layer in model._flatten_layers():
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()
    return model


def values(model: keras.Model, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """All outputs at inference, flat."""
    graph = graph_of(model)
    structured = keras.tree.pack_sequence_as(graph.input, [ops.convert_to_tensor(x) for x in inputs])
    return [np.asarray(output) for output in keras.tree.flatten(graph(structured, training=False))]


def image(name: str = "image", shape: tuple[int, ...] = (8, 8, 3), **kwargs: object) -> keras.KerasTensor:
    return keras.Input(shape, name=name, **kwargs)


def sequential() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((8, 8, 3), name="image"),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.BatchNormalization(name="bn"),
            layers.Dropout(0.5, name="drop"),
            layers.Flatten(name="flat"),
            layers.Dense(5, activation="softmax", name="out"),
        ]
    )


def residual() -> keras.Model:
    x = inputs = image()
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv1")(x)
    x = shortcut = layers.ReLU(name="relu1")(layers.BatchNormalization(name="bn1")(x))
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.BatchNormalization(name="bn2")(x)
    x = layers.Add(name="add")([x, shortcut])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(5, name="out")(x))


def nested() -> keras.Model:
    """A Sequential and a functional model inside, both with a layer named `conv`, and augmentation in front."""
    inner = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.RandomFlip(name="flip"), layers.Conv2D(4, 3, name="conv")], name="first"
    )
    x = middle = image("features", (6, 6, 4))
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(x)
    second = keras.Model(middle, layers.BatchNormalization(name="bn")(x), name="second")
    inputs = image()
    x = layers.GlobalMaxPooling2D(name="pool")(second(inner(inputs)))
    return keras.Model(inputs, layers.Dense(3, activation="sigmoid", name="out")(x))


def nested_shared() -> keras.Model:
    """One nested model, itself with a nested one, called on two inputs; its output is a dict."""
    core = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, name="conv")], name="core")
    x = inside = image("inside")
    x = core(x)
    branch = keras.Model(inside, {"map": x, "mean": layers.GlobalAveragePooling2D(name="pool")(x)}, name="branch")
    left, right = image("left"), image("right")
    one, two = branch(left), branch(right)
    joined = layers.Concatenate(name="cat")([one["mean"], two["mean"]])
    difference = layers.Subtract(name="difference")([one["map"], two["map"]])
    return keras.Model([left, right], [layers.Dense(2, name="out")(joined), difference])


def dict_inputs() -> keras.Model:
    """Inputs and outputs by key, a nested model that takes a dict."""
    a, b = image("a", (4,)), image("b", (4,))
    inner = keras.Model({"a": a, "b": b}, layers.Dense(3, name="dense")(a - b), name="inner")
    p, q = image("p", (4,)), image("q", (4,))
    y = inner({"a": q, "b": p})
    return keras.Model({"p": p, "q": q}, {"plain": y, "soft": layers.Softmax(name="soft")(y)})


def shared() -> keras.Model:
    """A convolution and a BatchNorm called twice."""
    conv = layers.Conv2D(3, 3, padding="same", activation="tanh", name="conv")
    norm = layers.BatchNormalization(name="bn")
    inputs = image()
    x = norm(conv(inputs))
    x = norm(conv(x))
    return keras.Model(inputs, layers.Flatten(name="flat")(x))


def operations() -> keras.Model:
    """`keras.ops` among the layers, with keywords, lists, several outputs and constants."""
    inputs = image()
    x = ops.pad(inputs, ((0, 0), (1, 1), (1, 1), (0, 0)))
    x = layers.Conv2D(4, 3, name="conv")(x)
    x = ops.relu(x * 2.0 + 1.0)
    first, second = ops.split(x, 2, axis=-1)
    x = ops.concatenate([first, ops.maximum(second, first)], axis=-1)
    x = x[:, ::2, ::2, :]
    x = ops.mean(x, axis=(1, 2))
    return keras.Model([inputs], [ops.softmax(layers.Dense(5, name="out")(x))])


def separable() -> keras.Model:
    inputs = image()
    x = layers.SeparableConv2D(6, 3, strides=2, depth_multiplier=2, activation="elu", name="sep")(inputs)
    x = layers.SeparableConv2D(4, 3, padding="same", dilation_rate=2, use_bias=False, name="atrous")(x)
    x = layers.BatchNormalization(name="bn")(x)
    return keras.Model(inputs, layers.Conv2D(5, 1, activation="softmax", name="map")(x))


def assorted() -> keras.Model:
    """Other layers with weights, activations that are layers, preprocessing."""
    inputs = image(dtype="uint8")
    x = layers.Rescaling(1 / 255, name="rescale")(layers.RandomFlip(name="flip")(inputs))
    x = layers.Normalization(name="norm")(x)
    x = layers.Conv2D(4, 3, groups=1, activation=layers.PReLU(name="inner"), name="conv")(x)
    x = layers.Conv2D(4, 3, groups=2, activation=layers.ReLU(6.0), name="grouped")(x)
    x = layers.GaussianNoise(0.3, name="noise")(x)
    x = layers.Conv2DTranspose(4, 3, strides=2, name="up")(x)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.LayerNormalization(name="layer_norm")(x)
    x = layers.Dense(3, name="per_pixel", kernel_regularizer="l2", kernel_constraint="non_neg")(x)
    x = layers.Activation("linear", name="no_op")(x)
    return keras.Model(inputs, x)


NETWORKS: dict[str, Callable[[], keras.Model]] = {
    "sequential": sequential,
    "residual": residual,
    "nested": nested,
    "nested_shared": nested_shared,
    "dict_inputs": dict_inputs,
    "shared": shared,
    "operations": operations,
    "separable": separable,
    "assorted": assorted,
}
