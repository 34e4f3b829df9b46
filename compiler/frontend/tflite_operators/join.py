"""Tensors joined along an axis, taken apart, and repeated."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from compiler.frontend.tflite_operators.node import Node


def concatenation(node: Node) -> Any:
    if any(tensor is None for tensor in node.tensors):
        raise node.refuse("joins constants to a tensor", "convert the network without them")
    return layers.Concatenate(axis=_axis(node, node.operator.option("axis")), name=node.name)(list(node.tensors))


def split(node: Node) -> list[Any]:
    """In equal parts."""
    axis, count = _axis(node, node.operator.constant(0, "axis")), len(node.operator.outputs)
    return _parts(node, axis, np.full(count, node.tensor.shape[axis] // count))


def split_v(node: Node) -> list[Any]:
    """In parts of given sizes."""
    sizes = node.operator.constant(1, "sizes").reshape(-1).astype(int)
    axis = _axis(node, node.operator.constant(2, "axis"))
    return _parts(node, axis, np.where(sizes < 0, node.tensor.shape[axis] - sizes[sizes >= 0].sum(), sizes))


def tile(node: Node) -> Any:
    repeats = [int(n) for n in node.operator.constant(1, "repeats").reshape(-1)]
    if repeats[0] != 1:
        raise node.refuse("repeats the batch", "convert the network for one example at a time")
    return node.named(keras.ops.tile(node.tensor, repeats))


def _axis(node: Node, axis: Any) -> int:
    found = int(np.reshape(axis, -1)[0]) % len(node.tensor.shape)
    if found == 0:
        raise node.refuse("works along the batch", "convert the network for one example at a time")
    return found


def _parts(node: Node, axis: int, sizes: np.ndarray) -> list[Any]:
    ends = np.cumsum(sizes)
    before = (slice(None),) * axis
    return [
        node.named(node.tensor[(*before, slice(int(end - size), int(end)))], f"_{part}")
        for part, (size, end) in enumerate(zip(sizes, ends, strict=True))
    ]
