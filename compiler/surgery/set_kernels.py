"""The cheap way to look at a plan: the same network with other kernels and biases, nothing rewritten."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np


def kernel_of(model: keras.Model, name: str) -> tuple[np.ndarray, np.ndarray]:
    """(kernel HWIO, bias) of a site; a Dense's kernel is a 1×1 convolution's."""
    kernel, bias = model.get_layer(name).get_weights()
    return (kernel[None, None] if kernel.ndim == 2 else kernel), bias


def set_kernels(model: keras.Model, kernels: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Give sites of `model` (kernel HWIO, bias), in place."""
    for name, (kernel, bias) in kernels.items():
        layer = model.get_layer(name)
        layer.set_weights([kernel.reshape(layer.get_weights()[0].shape), bias])
