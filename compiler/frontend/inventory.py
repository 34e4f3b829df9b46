"""What of a network can be compressed, and why the rest stays as it is."""

from __future__ import annotations

import math
import re

import keras
from keras import layers

from compiler.errors import BadInput
from compiler.frontend.graph import Call, calls
from compiler.types import ConvSite, Inventory, LeftAlone

_ONLY_2D = "only Conv2D and Dense are decomposed, not convolutions in {} dimension{}"
_REASONS: dict[type, str] = {
    layers.DepthwiseConv1D: "a depthwise convolution has one filter per channel and no channel mode to decompose",
    layers.DepthwiseConv2D: "a depthwise convolution has one filter per channel and no channel mode to decompose",
    layers.Conv1D: _ONLY_2D.format(1, ""),
    layers.SeparableConv1D: _ONLY_2D.format(1, ""),
    layers.Conv3D: _ONLY_2D.format(3, "s"),
    layers.Conv1DTranspose: "transposed convolutions are not decomposed",
    layers.Conv2DTranspose: "transposed convolutions are not decomposed",
    layers.Conv3DTranspose: "transposed convolutions are not decomposed",
    layers.BatchNormalization: "a BatchNorm without a linear layer of its own in front of it can't be folded exactly",
    layers.Embedding: "an embedding is a table, not a convolution",
}


def inventory(model: keras.Model, exclude: str | None = None) -> Inventory:
    """Sites and layers left alone of a network in normal form with BatchNorm folded, in graph order.

    Every Conv2D with groups=1 and every Dense is a site; `positions` counts output positions per image, summed over
    the calls of a shared layer. `exclude` is a regular expression searched for in layer names. Layers without
    weights are not listed. Raises BadInput if `exclude` is no regular expression.
    """
    try:
        excluded = re.compile(exclude) if exclude is not None else None
    except re.error as error:
        raise BadInput(f"--exclude '{exclude}' is no regular expression ({error}); as in '^(stem|head_.*)$'") from error
    applied: dict[keras.Layer, list[Call]] = {}
    for call in calls(model):
        if isinstance(call.operation, keras.Layer) and call.operation.weights:
            applied.setdefault(call.operation, []).append(call)
    sites, left = [], []
    for layer, layer_calls in applied.items():
        reason = _reason(layer)
        if reason is None and excluded is not None and excluded.search(layer.name):
            reason = excluded_by(exclude)
        if reason is None:
            sites.append(site_of(layer, layer_calls))
        else:
            left.append(LeftAlone(layer.name, type(layer).__name__, layer.count_params(), reason))
    if excluded is not None and not any(excluded.search(layer.name) for layer in applied):
        names = ", ".join(layer.name for layer in list(applied)[:3])
        raise BadInput(f"--exclude {exclude} finds no layer with weights ({names}, …); look them up with inspect.")
    return Inventory(tuple(sites), tuple(left))


def excluded_by(exclude: str | None) -> str:
    """Why a layer is left alone that could be decomposed, but that `--exclude` names."""
    return f"--exclude {exclude} names it"


def _reason(layer: keras.Layer) -> str | None:
    """Why the layer can't be decomposed; None if it can."""
    if type(layer) is layers.Conv2D:
        if layer.groups == 1:
            return None
        return f"a grouped convolution (groups={layer.groups}) is not decomposed"
    if type(layer) is layers.Dense:
        return None
    return _REASONS.get(type(layer), f"a {type(layer).__name__} is neither a Conv2D nor a Dense")


def site_of(layer: keras.Layer, layer_calls: list[Call]) -> ConvSite:
    """A convolution or Dense and what its calls see. A depthwise one's c_out is its depth multiplier."""
    *_, c_in, c_out = layer.kernel.shape
    maps = tuple((*_extent(call.inputs[0], layer), *_extent(call.outputs[0], layer)) for call in layer_calls)
    positions = sum(h_out * w_out for _, _, h_out, w_out in maps)
    if isinstance(layer, layers.Dense):
        return ConvSite(layer.name, "dense", (1, 1), c_in, c_out, calls=len(maps), positions=positions, maps=maps)
    return ConvSite(
        layer.name,
        "conv",
        tuple(layer.kernel_size),
        c_in,
        c_out,
        strides=tuple(layer.strides),
        dilation=tuple(layer.dilation_rate),
        padding=layer.padding,
        calls=len(maps),
        positions=positions,
        maps=maps,
    )


def _extent(tensor: keras.KerasTensor, layer: keras.Layer) -> tuple[int, int]:
    """Height and width of a feature map; a Dense sees all dimensions but the last as one row."""
    sizes = [size or 1 for size in tensor.shape[1:-1]]
    return (1, math.prod(sizes)) if isinstance(layer, layers.Dense) else (sizes[0], sizes[1])
