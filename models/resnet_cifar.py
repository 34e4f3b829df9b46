"""Residual networks for small images: He et al., "Deep Residual Learning for Image Recognition" (2016), section 4.2.

Depth 6n + 2: a 3×3 stem, three stages of n blocks with 16, 32 and 64 filters, each but the first halving the map,
global average pooling, a Dense. The shortcut of a block that changes the shape is a 1×1 convolution with stride
(the paper's option B); convolutions carry no bias, since BatchNorm follows each. ResNet-8 is n = 1, the size of
MLPerf Tiny's image classifier.
"""

from __future__ import annotations

import keras
from keras import layers


def resnet8(input_shape: tuple[int, int, int] = (32, 32, 3), classes: int = 10) -> keras.Model:
    return _resnet(8, input_shape, classes)


def resnet20(input_shape: tuple[int, int, int] = (32, 32, 3), classes: int = 10) -> keras.Model:
    return _resnet(20, input_shape, classes)


def resnet56(input_shape: tuple[int, int, int] = (32, 32, 3), classes: int = 10) -> keras.Model:
    return _resnet(56, input_shape, classes)


def _resnet(depth: int, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    inputs = keras.Input(input_shape, name="image")
    x = _conv(inputs, 16, 3, 1, "stem")
    x = layers.ReLU(name="stem_relu")(x)
    for stage, filters in enumerate((16, 32, 64)):
        for block in range((depth - 2) // 6):
            strides = 2 if stage > 0 and block == 0 else 1
            x = _block(x, filters, strides, f"stage{stage + 1}_block{block + 1}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Dense(classes, activation="softmax", name="classes")(x)
    return keras.Model(inputs, outputs, name=f"resnet{depth}")


def _block(x: keras.KerasTensor, filters: int, strides: int, name: str) -> keras.KerasTensor:
    shortcut = x if strides == 1 else _conv(x, filters, 1, strides, f"{name}_shortcut")
    x = _conv(x, filters, 3, strides, f"{name}_conv1")
    x = layers.ReLU(name=f"{name}_relu1")(x)
    x = _conv(x, filters, 3, 1, f"{name}_conv2")
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=f"{name}_relu2")(x)


def _conv(x: keras.KerasTensor, filters: int, size: int, strides: int, name: str) -> keras.KerasTensor:
    """Convolution and BatchNorm."""
    x = layers.Conv2D(
        filters, size, strides, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )(x)
    return layers.BatchNormalization(name=f"{name}_bn")(x)
