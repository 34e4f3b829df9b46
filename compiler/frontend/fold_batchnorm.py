"""Fold BatchNorm into the linear layer in front of it.

Given   h = W∘x + b  and, at inference,  y = γ·(h − μ)/√(σ² + ε) + β  per output channel (Ioffe & Szegedy 2015),
Result  y = (s·W)∘x + s·(b − μ) + β  with  s = γ/√(σ² + ε).

This is exact only where nothing stands between the two and nobody else reads `h`. Elsewhere (Conv → ReLU → BN, BN
behind an Add or on an input, shared layers, another axis than the channels) BatchNorm stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

from compiler.frontend.check_equal import check_equal
from compiler.frontend.graph import Call, calls, consumers, producers
from compiler.frontend.logits import logits_model
from compiler.frontend.rebuild import copy_of, rebuild, set_weights

# Which axes of the kernel make up the output channels, in the order of the channels.
_CHANNEL_AXES: dict[type, tuple[int, ...]] = {
    layers.Conv1D: (-1,),
    layers.Conv2D: (-1,),  # grouped ones, too: (k_h, k_w, c_in / groups, c_out)
    layers.Conv3D: (-1,),
    layers.Dense: (-1,),
    layers.DepthwiseConv1D: (-2, -1),  # (k, c_in, multiplier): channel c·multiplier + m
    layers.DepthwiseConv2D: (-2, -1),
    layers.Conv1DTranspose: (-2,),  # (k, c_out, c_in)
    layers.Conv2DTranspose: (-2,),
    layers.Conv3DTranspose: (-2,),
}


def fold_batchnorm(model: keras.Model, *, tolerance: float = 1e-4) -> keras.Model:
    """The network (in normal form) without the BatchNorm layers that can be folded exactly; layer names stay.

    Raises CheckFailed if the logits on random inputs deviate by more than `tolerance`, relative to the largest.
    (Folding reorders float32 sums; a rewrite that is wrong is wrong by far more.)
    """
    folded = model
    while replace := _replacements(folded):  # again for BatchNorm behind BatchNorm
        folded = rebuild(folded, replace)
    if folded is not model:
        check_equal(
            logits_model(model)[0],
            logits_model(folded)[0],
            claim="folding BatchNorm leaves the network as it is",
            tolerance=tolerance,
        )
    return folded


def _replacements(model: keras.Model) -> dict[str, Callable[..., Any]]:
    """For `rebuild`: linear layers with BatchNorm in their weights, and nothing in place of the BatchNorm."""
    made_by, read_by = producers(model), consumers(model)
    times_called = Counter(call.name for call in calls(model))
    outputs = {id(tensor) for tensor in model.outputs}
    replace: dict[str, Callable[..., Any]] = {}
    for call in calls(model):
        if type(call.operation) is not layers.BatchNormalization or "mask" in _given(call):
            continue
        tensor = call.inputs[0]
        linear = made_by.get(id(tensor))
        if (
            linear is not None
            and type(linear.operation) in _CHANNEL_AXES
            and linear.name not in replace
            and times_called[call.name] == times_called[linear.name] == 1
            and len(read_by[id(tensor)]) == 1
            and id(tensor) not in outputs
            and _axis(call.operation, len(tensor.shape)) == len(tensor.shape) - 1
        ):
            replace[linear.name] = _scaled(linear.operation, *_scale_and_shift(call.operation))
            replace[call.name] = _identity
    return replace


def _given(call: Call) -> dict[str, Any]:
    return {key: value for key, value in call.kwargs.items() if value is not None}


def _axis(batchnorm: layers.BatchNormalization, rank: int) -> int:
    axis = batchnorm.axis if isinstance(batchnorm.axis, int) else batchnorm.axis[0]
    return axis % rank


def _scale_and_shift(batchnorm: layers.BatchNormalization) -> tuple[np.ndarray, np.ndarray]:
    """BatchNorm as y = scale·h + shift, float64, one value a channel."""
    mean, variance = (_array(v) for v in (batchnorm.moving_mean, batchnorm.moving_variance))
    gamma = _array(batchnorm.gamma) if batchnorm.scale else np.ones_like(mean)
    beta = _array(batchnorm.beta) if batchnorm.center else np.zeros_like(mean)
    scale = gamma / np.sqrt(variance + batchnorm.epsilon)
    return scale, beta - scale * mean


def _scaled(layer: keras.Layer, scale: np.ndarray, shift: np.ndarray) -> Callable[..., Any]:
    """The linear layer with its outputs scaled and shifted, as a function to call in its place."""
    kernel, *bias = (_array(weight) for weight in layer.get_weights())
    axes = _CHANNEL_AXES[type(layer)]
    shape = [1] * kernel.ndim
    for axis in axes:
        shape[axis] = kernel.shape[axis]
    weights = [kernel * scale.reshape(shape), shift + scale * (bias[0] if bias else 0.0)]

    def apply(tensor: Any, **_: Any) -> Any:
        folded = copy_of(layer, use_bias=True)
        output = folded(tensor)
        set_weights(folded, [weight.astype(np.float32) for weight in weights])
        return output

    return apply


def _identity(tensor: Any, **_: Any) -> Any:
    return tensor


def _array(weight: Any) -> np.ndarray:
    return np.asarray(weight, np.float64)
