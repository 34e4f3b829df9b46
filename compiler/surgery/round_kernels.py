"""Round every kernel to int8 with the inputs in view, in order, and give each bias what rounding took from the mean.

Front to back, a layer sees the patches a' of the rounded prefix. Its kernel goes to the grid point that changes its
output least (`decompose/round_to_grid.py`), and its bias makes every channel's mean that of the float network:

    b' = b + E[h] − E[Ŵᵀ a']                                                   h: the float layer's output

Nearest rounding shifts means, most of all where a kernel has few weights, as a depthwise one has; the shifts of all
layers add up. Bias correction: Nagel et al., "Data-free quantization through weight equalization and bias correction",
2019. A layer with a bias can be rounded for centred inputs; one without has its mean error to round for too.

The result is a float network whose kernels lie on the converter's own grid, so quantizing it changes none of them. It
is kept if the held-out inputs' outputs move less than under nearest rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from compiler.datafree.patches import count_positions, is_wide, patch_size, patches, some_of
from compiler.datafree.walk import walk
from compiler.decompose.best_scale import LARGEST
from compiler.decompose.metric import DAMPING
from compiler.decompose.round_to_grid import grid_of, nearest, round_to_grid
from compiler.decompose.whole_steps import whole_steps
from compiler.frontend.feed import feed
from compiler.frontend.graph import Call
from compiler.frontend.inventory import site_of
from compiler.frontend.rebuild import rebuild
from compiler.surgery.streams import Pair, pairs, side
from compiler.types import ConvSite

INPUTS = 128  # means and covariances need no more
HAIR = 2.0**-12  # of a weight
ROWS_PER_FEATURE, LEAST_ROWS = 4, 8192  # patches that a covariance of d×d is taken over


def round_kernels(
    model: keras.Model,
    inputs: Sequence[np.ndarray],
    held_out: Sequence[np.ndarray],
    *,
    per_tensor_dense: bool,
    seed: int,
    few_bits: Mapping[str, np.ndarray] = MappingProxyType({}),
    keep: bool | None = None,
) -> tuple[keras.Model, bool]:
    """(The network with its kernels on the int8 grid, True), or (`model` itself, False) where that gains nothing.

    `inputs` and `held_out`: one array (n, …) per model input. `per_tensor_dense`: a Dense has one scale. `few_bits`:
    layers whose kernels are whole steps of such widths (c_out,) and stay so (training may have moved them off: then
    they are put back). `keep`: a saved plan's decision, taken as it is.
    """
    model = on_few_bits(model, few_bits)
    if keep is False:
        return model, False
    rounded = rebuild(model, {})
    weights = rounded_weights(
        model, [x[:INPUTS] for x in inputs], per_tensor_dense=per_tensor_dense, few_bits=few_bits, seed=seed
    )
    for name, own in weights.items():
        rounded.get_layer(name).set_weights(own)
    if keep is None:
        plain = rebuild(model, {})
        for layer in filter(is_rounded, plain.layers):
            kernel, *bias = layer.get_weights()
            if layer.name in few_bits:
                continue
            groups = as_groups(kernel, layer)
            grid = grid_of(groups, per_tensor=per_tensor_dense and isinstance(layer, keras.layers.Dense))
            layer.set_weights([as_kernel(nearest(groups, grid), kernel, layer), *bias])
        reference = outputs_of(model, held_out)
        keep = change(rounded, reference, held_out) < change(plain, reference, held_out)
    return (rounded, True) if keep else (model, False)


def few_bit_layers(model: keras.Model) -> dict[str, np.ndarray]:
    """The convolutions whose kernels are whole steps, as few bits have them, and how wide (c_out,)."""
    found = {}
    for layer in model.layers:
        if type(layer) is keras.layers.Conv2D:
            kernel = layer.get_weights()[0]
            scale = whole_steps(kernel.reshape(-1, kernel.shape[-1]))
            if scale is not None:
                found[layer.name] = scale
    return found


def on_few_bits(model: keras.Model, layers: Mapping[str, np.ndarray]) -> keras.Model:
    """`model` with the kernels of `layers` in steps of those widths, each weight on its nearest.

    One of an even number of steps may be ±½ of the largest weight: ±63.5 in int8, which the converter would round
    either way. A hair more than that is always ±64.
    """
    if not layers:
        return model
    found = rebuild(model, {})
    for name, scale in sorted(layers.items()):
        layer = found.get_layer(name)
        kernel, *bias = layer.get_weights()
        steps = np.clip(np.rint(kernel / scale), -LARGEST, LARGEST)
        hair = np.where(2 * np.abs(steps) == np.abs(steps).max(axis=(0, 1, 2)), 1 + HAIR, 1)
        layer.set_weights([(steps * hair * scale).astype(np.float32), *bias])
    return found


def change(network: keras.Model, reference: Sequence[np.ndarray], inputs: Sequence[np.ndarray]) -> float:
    """Σ ‖Δy‖² of the outputs, each relative to how much the reference's varies."""
    total = 0.0
    for y, expected in zip(outputs_of(network, inputs), reference, strict=True):
        total += float(np.sum((y - expected) ** 2) / (np.sum((expected - expected.mean(0)) ** 2) + 1e-30))
    return total


def outputs_of(network: keras.Model, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    tensors = [keras.ops.convert_to_tensor(x) for x in inputs]
    return [np.asarray(y, np.float64) for y in keras.tree.flatten(network(feed(network, tensors), training=False))]


def is_rounded(operation: keras.Operation) -> bool:
    """Whether the layer is a linear one whose inputs `patches` can cut out: its kernel is int8 in the file."""
    if type(operation) is keras.layers.Conv2D:
        return operation.groups == 1
    return type(operation) in (keras.layers.DepthwiseConv2D, keras.layers.Dense)


def rounded_weights(
    model: keras.Model,
    inputs: Sequence[np.ndarray],
    *,
    per_tensor_dense: bool,
    seed: int,
    few_bits: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> dict[str, list[np.ndarray]]:
    """[kernel] or [kernel, bias] by layer name; `model` is as it was at the end."""
    found: dict[str, list[np.ndarray]] = {}

    def visit(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        layer = call.operation
        float_args, float_kwargs = side(0, args, kwargs)
        prefix_args, prefix_kwargs = side(1, args, kwargs)
        output = layer(*float_args, **float_kwargs)
        if not is_rounded(layer):
            return pairs(output, layer(*prefix_args, **prefix_kwargs))
        weights = layer.get_weights()
        kernel, *bias = weights
        if call.name not in found:  # a shared layer is rounded for what its first call sees
            per_tensor = per_tensor_dense and isinstance(layer, keras.layers.Dense)
            x = np.asarray(prefix_args[0])
            site = site_of(layer, [call])
            stays = call.name in few_bits
            found[call.name] = [
                kernel if stays else rounded_kernel(kernel, layer, site, x, bool(bias), per_tensor, seed)
            ]
            if bias:
                layer.set_weights([found[call.name][0], *bias])
                axes = tuple(range(len(output.shape) - 1))
                off = keras.ops.mean(output - layer(*prefix_args, **prefix_kwargs), axis=axes)
                found[call.name].append((bias[0] + np.asarray(off)).astype(np.float32))
        layer.set_weights(found[call.name])
        changed = layer(*prefix_args, **prefix_kwargs)
        layer.set_weights(weights)
        return pairs(output, changed)

    walk(model, [Pair((x, x)) for x in map(keras.ops.convert_to_tensor, inputs)], visit)
    return found


def rounded_kernel(
    kernel: np.ndarray, layer: keras.Layer, site: ConvSite, x: np.ndarray, centred: bool, per_tensor: bool, seed: int
) -> np.ndarray:
    """The kernel of one layer on its grid, for the inputs `x` that it gets."""
    groups = as_groups(kernel, layer)
    grid = grid_of(groups, per_tensor=per_tensor)
    if is_wide(site):  # no d×d matrix: the bias alone makes up for it
        return as_kernel(nearest(groups, grid), kernel, layer)
    sigma = second_moments(x, site, len(groups), centred, seed)
    return as_kernel(round_to_grid(groups, sigma, grid), kernel, layer)


def second_moments(x: np.ndarray, site: ConvSite, groups: int, centred: bool, seed: int) -> np.ndarray:
    """Of the patches of `x` (g, d, d), damped: of each channel's own patches where there are `groups` of them."""
    limit = max(LEAST_ROWS, ROWS_PER_FEATURE * (patch_size(site) if groups == 1 else 1))
    rows = some_of(count_positions(x.shape, site), limit, seed)
    a = patches(x, site, rows).astype(np.float32)
    a = a.reshape(len(a), -1, groups).transpose(2, 1, 0)  # (g, d, n): channels are the last of a patch's axes
    if centred:
        a = a - a.mean(-1, keepdims=True)
    sigma = a @ a.transpose(0, 2, 1) / len(rows)
    level = DAMPING * np.einsum("gii->g", sigma) / sigma.shape[1]
    level = np.where(level > 0, level, 1.0).astype(np.float32)
    return sigma + level[:, None, None] * np.eye(sigma.shape[1], dtype=np.float32)


def as_groups(kernel: np.ndarray, layer: keras.Layer) -> np.ndarray:
    """(g, d, c): (1, k_h·k_w·c_in, c_out), or of a depthwise layer (channels, k_h·k_w, multiplier)."""
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        k_h, k_w, channels, multiplier = kernel.shape
        return kernel.reshape(k_h * k_w, channels, multiplier).transpose(1, 0, 2)
    return kernel.reshape(1, -1, kernel.shape[-1])


def as_kernel(groups: np.ndarray, kernel: np.ndarray, layer: keras.Layer) -> np.ndarray:
    """Back into the shape of `kernel`."""
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        groups = groups.transpose(1, 0, 2)
    return np.ascontiguousarray(groups.reshape(kernel.shape), np.float32)
