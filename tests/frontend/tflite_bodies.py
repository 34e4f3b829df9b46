"""Small networks around one operator each, for TensorFlow's converter to make files of."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
from keras import layers, ops

from tests.frontend.networks import image, randomize

SIDE = (6, 8, 3)
Body = Callable[[keras.KerasTensor], keras.KerasTensor]


def network(body: Body) -> keras.Model:
    inputs = image(shape=SIDE)
    return randomize(keras.Model(inputs, body(inputs)))


# What the converter makes of each is the operator that the name says, or several.
BODIES: dict[str, Body] = {
    "conv same, stride": lambda x: layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(x),
    "conv valid, unequal": lambda x: layers.Conv2D(4, (2, 3), strides=(1, 2), use_bias=False)(x),
    "conv dilated": lambda x: layers.Conv2D(4, 3, dilation_rate=2, padding="same", activation="relu6")(x),
    "relu6 at its end": lambda x: layers.ReLU(6)(layers.Conv2D(4, 3, activation="relu6")(20 * x) * 1.5),
    "conv grouped": lambda x: layers.Conv2D(6, 3, groups=3, padding="same")(x),
    "conv even kernel": lambda x: layers.Conv2D(5, (2, 4), strides=2, padding="same", activation="tanh")(x),
    "depthwise": lambda x: layers.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2)(x),
    "depthwise dilated": lambda x: layers.DepthwiseConv2D(3, dilation_rate=2, padding="same")(x),
    "conv of one channel": lambda x: layers.Conv2D(4, 3, padding="same")(x[..., :1]),
    "transposed": lambda x: layers.Conv2DTranspose(4, 3, strides=2, padding="same")(x),
    "transposed valid": lambda x: layers.Conv2DTranspose(4, 3, strides=2, use_bias=False)(x),
    "dense": lambda x: layers.Dense(5, activation="softmax")(layers.Flatten()(x)),
    "dense logits": lambda x: layers.Dense(5)(layers.Flatten()(x)),
    "dense on maps": lambda x: layers.Dense(5, activation="relu")(x),
    "residual": lambda x: layers.ReLU()(layers.Add()([layers.Conv2D(3, 3, padding="same")(x), x])),
    "sub and mul": lambda x: layers.Multiply()([layers.Subtract()([x, ops.tanh(x)]), x]),
    "excite": lambda x: layers.Multiply()([x, ops.sigmoid(ops.mean(x, axis=(1, 2), keepdims=True))]),
    "scale and shift": lambda x: layers.Rescaling(0.3, offset=-0.2)(x),
    "constants by channel": lambda x: (x - np.float32([0.1, 0.2, 0.3])) / np.float32([2, 3, 4]),
    "one less": lambda x: 1.0 - x,
    "maximum and minimum": lambda x: ops.maximum(ops.minimum(x, 0.7), layers.Conv2D(3, 1)(x)),
    "average pool same": lambda x: layers.AveragePooling2D(3, strides=2, padding="same")(x),
    "max pool": lambda x: layers.MaxPooling2D((2, 3))(x),
    "mean": lambda x: layers.GlobalAveragePooling2D()(x),
    "mean of one axis": lambda x: ops.mean(x, axis=2),
    "maximum of map": lambda x: layers.GlobalMaxPooling2D(keepdims=True)(x),
    "sum": lambda x: ops.sum(x, axis=-1),
    "pad": lambda x: layers.ZeroPadding2D(((1, 2), (0, 3)))(x),
    "pad channels": lambda x: ops.pad(x, ((0, 0), (0, 0), (0, 0), (1, 2))),
    "pad with a constant": lambda x: ops.pad(x, ((0, 0), (1, 1), (0, 2), (0, 0)), constant_values=0.5),
    "pad mirrored": lambda x: ops.pad(x, ((0, 0), (1, 1), (2, 0), (0, 0)), mode="reflect"),
    "reshape and permute": lambda x: layers.Permute((2, 1))(layers.Reshape((12, 12))(x)),
    "concatenate": lambda x: layers.Concatenate()([x, layers.Conv2D(2, 1)(x)]),
    "concatenate rows": lambda x: layers.Concatenate(axis=1)([x, ops.abs(x)]),
    "split": lambda x: ops.split(x, 3, axis=-1)[1] * x,
    "split unequal": lambda x: ops.split(x, [2, 3], axis=2)[2],
    "slice": lambda x: x[:, 1:4, ::2, 1:],
    "slice an index": lambda x: x[:, 2],
    "gather": lambda x: ops.take(x, [2, 0, 0], axis=-1),
    "repeated": lambda x: layers.UpSampling2D((2, 3))(x),
    "nearest": lambda x: ops.image.resize(x, (12, 24), interpolation="nearest"),
    "nearest, any size": lambda x: layers.Resizing(7, 5, interpolation="nearest")(x),
    "bilinear": lambda x: layers.UpSampling2D(2, interpolation="bilinear")(x),
    "bilinear, any size": lambda x: layers.Resizing(7, 5)(x),
    "leaky": lambda x: layers.LeakyReLU(negative_slope=0.15)(x),
    "prelu": lambda x: layers.PReLU(shared_axes=[1, 2])(x),
    "prelu, a slope a position": lambda x: layers.PReLU()(x),
    "hard swish": lambda x: layers.Activation("hard_silu")(x),
    "elu": lambda x: layers.Activation("elu")(x),
    "gelu": lambda x: layers.Activation("gelu")(x),
    "log softmax": lambda x: layers.Activation("log_softmax")(x),
    "unary": lambda x: ops.sqrt(ops.exp(x) + ops.square(x)) - ops.rsqrt(1 + ops.abs(x)) + ops.log(2 + ops.abs(x)),
}
