"""Activations, as operators of their own or fused into another."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from compiler.frontend.tflite_operators.node import Node

# Keras' names.
SIMPLE = {
    "ELU": "elu",
    "HARD_SWISH": "hard_silu",
    "LOG_SOFTMAX": "log_softmax",
    "LOGISTIC": "sigmoid",
    "RELU": "relu",
    "RELU6": "relu6",
    "TANH": "tanh",
}


def simple(node: Node) -> Any:
    return layers.Activation(SIMPLE[node.operator.kind], name=node.name)(node.tensor)


def fused(node: Node, tensor: Any) -> Any:
    """`tensor` behind the operator's fused activation, a layer of its own."""
    activation = node.operator.activation
    if activation == "NONE":
        return tensor
    if activation == "RELU_N1_TO_1":
        return node.named(keras.ops.clip(tensor, -1.0, 1.0), "_activation")
    if activation not in SIMPLE:
        raise node.refuse(f"has the fused activation {activation}", "convert the network without it")
    return layers.Activation(SIMPLE[activation], name=f"{node.name}_activation")(tensor)


def relu_n1_to_1(node: Node) -> Any:
    return node.named(keras.ops.clip(node.tensor, -1.0, 1.0))


def relu_0_to_1(node: Node) -> Any:
    return node.named(keras.ops.clip(node.tensor, 0.0, 1.0))


def softmax(node: Node) -> Any:
    beta = float(node.operator.option("beta"))
    scaled = node.tensor if beta == 1 else layers.Rescaling(beta, name=f"{node.name}_beta")(node.tensor)
    return layers.Activation("softmax", name=node.name)(scaled)


def leaky_relu(node: Node) -> Any:
    return layers.LeakyReLU(negative_slope=float(node.operator.option("alpha")), name=node.name)(node.tensor)


def gelu(node: Node) -> Any:
    return node.named(keras.ops.gelu(node.tensor, approximate=bool(node.operator.option("approximate"))))


def prelu(node: Node) -> Any:
    slopes = node.operator.constant(1, "slopes")
    sizes = node.tensor.shape[1:]
    slopes = slopes.reshape(((1,) * (len(sizes) - slopes.ndim) + slopes.shape)[-len(sizes) :])
    shared = [axis for axis, size in enumerate(slopes.shape, 1) if size == 1 and sizes[axis - 1] != 1]
    return node.weighted(
        lambda: layers.PReLU(shared_axes=shared or None, name=node.name), [np.asarray(slopes)], node.tensor
    )
