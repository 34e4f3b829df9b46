"""A small network with BatchNorms that remember given data."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from tests.frontend.networks import randomize

SHAPE = (16, 16, 3)


def batchnorm_network(x: np.ndarray, classes: int = 5) -> keras.Model:
    """Random weights; the running statistics are those of `x` (n, 16, 16, 3)."""
    h = inputs = keras.Input(SHAPE, name="image")
    for index, (channels, stride) in enumerate([(8, 1), (12, 2)]):
        h = layers.Conv2D(channels, 3, strides=stride, padding="same", use_bias=False, name=f"conv{index}")(h)
        h = layers.BatchNormalization(name=f"bn{index}")(h)
        h = layers.ReLU(name=f"relu{index}")(h)
    h = layers.GlobalAveragePooling2D(name="pool")(h)
    model = randomize(keras.Model(inputs, layers.Dense(classes, name="logits")(h)))
    for index in range(2):
        norm = model.get_layer(f"bn{index}")
        seen = np.asarray(keras.Model(inputs, norm.input)(x))
        norm.moving_mean.assign(seen.mean((0, 1, 2)))
        norm.moving_variance.assign(seen.var((0, 1, 2)))
    return model


def mismatch(model: keras.Model, x: np.ndarray) -> float:
    """Mean KL divergence (nats a channel) of what the BatchNorms see under `x` from what they remember, in numpy."""
    each = []
    for index in range(2):
        norm = model.get_layer(f"bn{index}")
        seen = np.asarray(keras.Model(model.inputs, norm.input)([x]), np.float64)
        mean, variance = (np.asarray(v, np.float64) for v in (norm.moving_mean, norm.moving_variance))
        m, s2 = seen.mean((0, 1, 2)), seen.var((0, 1, 2))
        each.append(np.mean(0.5 * (s2 / variance - 1 - np.log(s2 / variance) + (m - mean) ** 2 / variance)))
    return float(np.mean(each))
