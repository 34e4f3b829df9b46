"""Images made larger or smaller, where Keras places the sampling points as TFLite does: in the middle of pixels, or,
where pixels are only repeated, anywhere."""

from __future__ import annotations

from typing import Any

from keras import layers

from compiler.frontend.tflite_operators.node import Node


def resize_nearest_neighbor(node: Node) -> Any:
    (height, width), (_, h, w, _) = _size(node), node.tensor.shape
    repeats = not (height % h or width % w)
    return _resize(node, "nearest", repeats or node.operator.option("halfPixelCenters"))


def resize_bilinear(node: Node) -> Any:
    return _resize(node, "bilinear", node.operator.option("halfPixelCenters"))


def _resize(node: Node, interpolation: str, as_keras: bool) -> Any:
    if not as_keras or node.operator.option("alignCorners"):
        raise node.refuse("doesn't sample in the middle of pixels", "use UpSampling2D or Resizing of Keras there")
    height, width = _size(node)
    return layers.Resizing(height, width, interpolation=interpolation, name=node.name)(node.tensor)


def _size(node: Node) -> tuple[int, int]:
    height, width = (int(n) for n in node.operator.constant(1, "size").reshape(-1))
    return height, width
