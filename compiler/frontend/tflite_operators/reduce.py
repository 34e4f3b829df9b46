"""Mean, maximum, minimum and sum over axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

from compiler.frontend.tflite_operators.node import Node

GLOBAL: dict[str, type[keras.Layer]] = {
    "MEAN": layers.GlobalAveragePooling2D,
    "REDUCE_MAX": layers.GlobalMaxPooling2D,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "MEAN": ops.mean,
    "REDUCE_MAX": ops.max,
    "REDUCE_MIN": ops.min,
    "SUM": ops.sum,
}


def reduce(node: Node) -> Any:
    kind, rank = node.operator.kind, len(node.tensor.shape)
    axes = tuple(sorted({int(axis) % rank for axis in node.operator.constant(1, "axes").reshape(-1)}))
    keep = bool(node.operator.option("keepDims"))
    if 0 in axes:
        raise node.refuse("reduces over the batch", "convert the network for one example at a time")
    if rank == 4 and axes == (1, 2) and kind in GLOBAL:
        return GLOBAL[kind](keepdims=keep, name=node.name)(node.tensor)
    return node.named(FUNCTIONS[kind](node.tensor, axis=axes, keepdims=keep))
