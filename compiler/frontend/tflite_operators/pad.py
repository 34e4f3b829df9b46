"""Padding with zeros, a constant, or the border mirrored."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from compiler.frontend.tflite_operators.node import Node

_MIRRORS = ("reflect", "symmetric")  # schema.fbs, MirrorPadMode


def pad(node: Node) -> Any:
    """PAD and PADV2, which says the constant in its third input."""
    amounts = _amounts(node)
    value = float(node.operator.constant(2, "fill").reshape(-1)[0]) if node.operator.kind == "PADV2" else 0.0
    if len(amounts) == 4 and amounts[3] == (0, 0) and value == 0:
        return layers.ZeroPadding2D(amounts[1:3], name=node.name)(node.tensor)
    return node.named(keras.ops.pad(node.tensor, amounts, constant_values=value))


def mirror_pad(node: Node) -> Any:
    return node.named(keras.ops.pad(node.tensor, _amounts(node), mode=_MIRRORS[node.operator.option("mode")]))


def _amounts(node: Node) -> tuple[tuple[int, int], ...]:
    """(before, after) of each axis."""
    amounts = tuple((int(a), int(b)) for a, b in node.operator.constant(1, "amounts"))
    if amounts[0] != (0, 0):
        raise node.refuse("pads the batch", "convert the network for one example at a time")
    return amounts
