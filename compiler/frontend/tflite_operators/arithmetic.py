"""Element by element: two tensors, or a tensor and constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

from compiler.frontend.tflite_operators.node import Node

LAYERS: dict[str, type[keras.Layer]] = {
    "ADD": layers.Add,
    "MAXIMUM": layers.Maximum,
    "MINIMUM": layers.Minimum,
    "MUL": layers.Multiply,
    "SUB": layers.Subtract,
}
FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "ADD": ops.add,
    "DIV": ops.divide,
    "MAXIMUM": ops.maximum,
    "MINIMUM": ops.minimum,
    "MUL": ops.multiply,
    "SUB": ops.subtract,
}
UNARY: dict[str, Callable[[Any], Any]] = {
    "ABS": ops.abs,
    "EXP": ops.exp,
    "LOG": ops.log,
    "NEG": ops.negative,
    "RSQRT": ops.rsqrt,
    "SQRT": ops.sqrt,
    "SQUARE": ops.square,
}


def binary(node: Node) -> Any:
    kind, tensors = node.operator.kind, node.tensors
    if all(tensor is not None for tensor in tensors):
        if kind in LAYERS:
            return LAYERS[kind](name=node.name)(list(tensors))
        return node.named(FUNCTIONS[kind](*tensors))
    constants = [None if value is None else value.constant for value in node.operator.inputs]
    return node.named(FUNCTIONS[kind](*(c if t is None else t for t, c in zip(tensors, constants, strict=True))))


def unary(node: Node) -> Any:
    return node.named(UNARY[node.operator.kind](node.tensor))
