"""A small residual CNN for scikit-learn's digits (8×8×1 in 0..1 → 10 logits), roomy enough to be compressed."""

from __future__ import annotations

import keras
from keras import layers


def digits(
    input_shape: tuple[int, int, int] = (8, 8, 1),
    classes: int = 10,
    *,
    batch_norm: bool = True,
    regularizer: keras.Regularizer | None = None,
) -> keras.Model:
    """Five 3×3 convolutions, the second and third beside a shortcut."""

    def conv(x: keras.KerasTensor, filters: int, name: str, strides: int = 1, relu: bool = True) -> keras.KerasTensor:
        x = layers.Conv2D(
            filters,
            3,
            strides=strides,
            padding="same",
            use_bias=not batch_norm,
            kernel_initializer="he_normal",
            kernel_regularizer=regularizer,
            name=name,
        )(x)
        if batch_norm:
            x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
        return layers.ReLU(name=f"{name}_relu")(x) if relu else x

    image = layers.Input(input_shape, name="image")
    x = conv(image, 32, "conv1")
    shortcut = x
    x = conv(x, 32, "conv2")
    x = conv(x, 32, "conv3", relu=False)
    x = layers.ReLU(name="add_relu")(layers.Add(name="add")([x, shortcut]))
    x = conv(x, 64, "conv4", strides=2)
    x = conv(x, 64, "conv5")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(classes, kernel_regularizer=regularizer, name="logits")(x), name="digits")
