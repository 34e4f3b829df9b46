"""Matrix products with constant weights. TFLite's matrices are (out, in), Keras' (in, out)."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers

from compiler.frontend.tflite_operators.node import Node


def fully_connected(node: Node) -> Any:
    """Without `keepNumDims` TFLite reads its input as rows of the matrix' width, whatever their shape."""
    matrix = node.operator.constant(1, "weights").T
    if node.operator.option("weightsFormat"):
        raise node.refuse("has shuffled weights", "convert the network again without that optimization")
    inputs = node.operator.inputs
    bias = [node.operator.constant(2, "bias")] if len(inputs) > 2 and inputs[2] is not None else []
    tensor = node.tensor
    if not node.operator.option("keepNumDims") and len(tensor.shape) != 2:
        tensor = layers.Reshape((matrix.shape[0],), name=f"{node.name}_rows")(tensor)
    return _dense(node, matrix, bias, tensor)


def batch_matmul(node: Node) -> Any:
    matrix = node.operator.constant(1, "second factor")
    if matrix.ndim != 2 or node.operator.option("adjX"):
        raise node.refuse("is no product with one constant matrix", "convert the network with Dense layers there")
    return _dense(node, matrix.T if node.operator.option("adjY") else matrix, [], node.tensor)


def _dense(node: Node, matrix: np.ndarray, bias: list[np.ndarray], tensor: Any) -> Any:
    return node.weighted(
        lambda: layers.Dense(matrix.shape[1], use_bias=bool(bias), name=node.name), [matrix, *bias], tensor
    )
