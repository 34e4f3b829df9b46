"""The same numbers under another shape, or with their axes in another order."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers

from compiler.frontend.tflite_operators.node import Node


def reshape(node: Node) -> Any:
    """RESHAPE, SQUEEZE and EXPAND_DIMS: the shapes are in the file."""
    shape = list(node.operator.outputs[0].shape)
    inputs = node.operator.inputs
    target = inputs[1].constant if node.operator.kind == "RESHAPE" and len(inputs) > 1 and inputs[1] else None
    if target is not None:
        shape = list(np.empty(node.operator.input(0).shape, bool).reshape(target.reshape(-1)).shape)
    if not shape or shape[0] != node.operator.input(0).shape[0]:
        raise node.refuse("mixes the examples of a batch", "convert the network for one example at a time")
    return layers.Reshape(shape[1:], name=node.name)(node.tensor)


def transpose(node: Node) -> Any:
    order = [int(axis) for axis in node.operator.constant(1, "order of axes").reshape(-1)]
    if order[0] != 0:
        raise node.refuse("moves the batch", "convert the network for one example at a time")
    return layers.Permute(order[1:], name=node.name)(node.tensor)
