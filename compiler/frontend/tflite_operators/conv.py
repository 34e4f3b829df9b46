"""Convolutions. TFLite's kernels are OHWI, a depthwise one 1HW(I·M); Keras' are HWIO, HWIM and, transposed, HWOI."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers

from compiler.frontend.tflite_operators.node import Node


def conv_2d(node: Node) -> Any:
    kernel = node.operator.constant(1, "weights")
    c_in = node.tensor.shape[-1]
    if not kernel.shape[-1] or c_in % kernel.shape[-1]:
        raise node.refuse(f"has kernels of {kernel.shape[-1]} channels for {c_in}", "convert the network again")
    return _conv(node, kernel.transpose(1, 2, 3, 0), groups=c_in // kernel.shape[-1])


def depthwise_conv_2d(node: Node) -> Any:
    kernel = node.operator.constant(1, "weights")[0]
    c_in = node.tensor.shape[-1]
    if c_in == 1:  # every filter sees the one channel: an ordinary convolution
        return _conv(node, kernel[:, :, None])
    strides = (node.operator.option("strideH"), node.operator.option("strideW"))
    dilation = (node.operator.option("dilationHFactor"), node.operator.option("dilationWFactor"))
    if strides[0] != strides[1]:
        raise node.refuse(f"has the unequal strides {strides}", "Keras has none; make them equal before you train")
    weights = [kernel.reshape(*kernel.shape[:2], c_in, -1), *_bias(node, 2)]
    return node.weighted(
        lambda: layers.DepthwiseConv2D(
            kernel.shape[:2],
            strides=strides,
            padding=node.operator.padding,
            depth_multiplier=kernel.shape[-1] // c_in,
            dilation_rate=dilation,
            use_bias=len(weights) > 1,
            name=node.name,
        ),
        weights,
        node.tensor,
    )


def transpose_conv(node: Node) -> Any:
    kernel = node.operator.constant(1, "weights").transpose(1, 2, 0, 3)
    weights = [kernel, *_bias(node, 3)]
    return node.weighted(
        lambda: layers.Conv2DTranspose(
            kernel.shape[2],
            kernel.shape[:2],
            strides=(node.operator.option("strideH"), node.operator.option("strideW")),
            padding=node.operator.padding,
            use_bias=len(weights) > 1,
            name=node.name,
        ),
        weights,
        node.tensors[2],
    )


def _conv(node: Node, hwio: np.ndarray, groups: int = 1) -> Any:
    weights = [hwio, *_bias(node, 2)]
    return node.weighted(
        lambda: layers.Conv2D(
            hwio.shape[-1],
            hwio.shape[:2],
            strides=(node.operator.option("strideH"), node.operator.option("strideW")),
            padding=node.operator.padding,
            dilation_rate=(node.operator.option("dilationHFactor"), node.operator.option("dilationWFactor")),
            groups=groups,
            use_bias=len(weights) > 1,
            name=node.name,
        ),
        weights,
        node.tensor,
    )


def _bias(node: Node, position: int) -> list[np.ndarray]:
    """The bias, or nothing."""
    inputs = node.operator.inputs
    given = position < len(inputs) and inputs[position] is not None
    return [node.operator.constant(position, "bias")] if given else []
