"""A part of a tensor: a range along each axis, or the indices named."""

from __future__ import annotations

from typing import Any

import keras

from compiler.frontend.tflite_operators.node import Node
from compiler.tflite.slices import slices


def cut(node: Node) -> Any:
    """STRIDED_SLICE and SLICE."""
    shape = node.operator.input(0).shape
    batch, *others = slices(node.operator, shape)
    if isinstance(batch, int) or batch.indices(shape[0]) != (0, shape[0], 1):
        raise node.refuse("takes examples out of a batch", "convert the network for one example at a time")
    return node.named(node.tensor[(slice(None), *others)])


def gather(node: Node) -> Any:
    indices = node.operator.constant(1, "indices")
    axis = node.operator.option("axis") % len(node.tensor.shape)
    if node.operator.option("batchDims") or axis == 0:
        raise node.refuse("takes examples out of a batch", "convert the network for one example at a time")
    return node.named(keras.ops.take(node.tensor, indices, axis=axis))
