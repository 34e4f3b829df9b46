"""Pooling over windows; with `same` padding both sides leave the border out of an average."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from compiler.frontend.tflite_operators.node import Node


def average_pool_2d(node: Node) -> Any:
    return _pool(node, layers.AveragePooling2D)


def max_pool_2d(node: Node) -> Any:
    return _pool(node, layers.MaxPooling2D)


def _pool(node: Node, layer: type[keras.Layer]) -> Any:
    operator = node.operator
    return layer(
        pool_size=(operator.option("filterHeight"), operator.option("filterWidth")),
        strides=(operator.option("strideH"), operator.option("strideW")),
        padding=operator.padding,
        name=node.name,
    )(node.tensor)
