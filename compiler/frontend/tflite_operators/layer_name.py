"""What to call a layer: as its author did, where the file still tells, so that --exclude and the report name it so."""

from __future__ import annotations

import re

from compiler.tflite.operator import Operator

# TensorFlow's names of the operations that weights go into: "model/conv2d_1/Conv2D" was made by layer "conv2d_1".
_LEAVES = {
    "CONV_2D": ("Conv2D", "convolution"),
    "DEPTHWISE_CONV_2D": ("depthwise", "convolution"),
    "FULLY_CONNECTED": ("MatMul", "Tensordot"),
    "TRANSPOSE_CONV": ("conv2d_transpose", "conv_transpose"),
}


def layer_name(operator: Operator) -> str:
    """Such as "conv2d_1"; else of the operator's kind and place, "average_pool_2d_9". Not unique."""
    leaves = _LEAVES.get(operator.kind, ())
    tensors = [value for value in (*operator.inputs[1:2], *operator.outputs) if value is not None]
    for part in (part for value in tensors for part in value.name.split(";")):
        *_, layer, leaf = ["", *part.split("/")]
        if layer and re.sub(r"_?\d*$", "", leaf) in leaves:
            return clean(layer)
    return f"{operator.kind.lower()}_{operator.index}"


def clean(name: str) -> str:
    """`name` in letters, digits and underscores, as Keras and TensorFlow take it."""
    return re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "tensor"
