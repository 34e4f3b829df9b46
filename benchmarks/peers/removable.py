"""Which layers can lose whole filters: those whose channels reach nothing but other convolutions and Dense layers.

    site ─ ReLU, pooling, padding, depthwise, … ─ consumers        each filter of the site is one input of the consumers

A layer that meets an Add, a Concatenate, a Flatten or the network's output on its way keeps all its filters: removing
one would take it from every branch that is added, which the methods that are compared here do not do.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import keras
from keras import layers

from compiler.frontend.graph import Call, calls, consumers
from compiler.types import Inventory

# Each channel by itself, whatever the number of channels.
CHANNELWISE = (
    layers.ReLU, layers.LeakyReLU, layers.ELU, layers.Dropout, layers.Identity, layers.MaxPooling2D,
    layers.AveragePooling2D, layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D, layers.ZeroPadding2D,
    layers.UpSampling2D,
)  # fmt: skip
# Of those, f(s·x) = s·f(x) for s > 0, up to the borders of a padded map, which are 0 on both sides.
SCALES = tuple(kind for kind in CHANNELWISE if kind is not layers.ELU)
ELEMENTWISE = ("relu", "relu6", "sigmoid", "tanh", "linear", "leaky_relu", "elu", "silu", "swish", "hard_swish")


@dataclass(frozen=True, slots=True)
class Removable:
    """A site that may lose filters: `depthwise` names the depthwise layers on the way, `consumers` the sites that read
    it. `scales`: everything on the way lets a positive factor through."""

    site: str
    depthwise: tuple[str, ...]
    consumers: tuple[str, ...]
    scales: bool


def removable(model: keras.Model, inventory: Inventory) -> dict[str, Removable]:
    """By site, in graph order."""
    sites = {site.name: site for site in inventory.sites}
    order = list(calls(model))
    called = Counter(call.name for call in order)
    readers = consumers(model)
    ends = {id(tensor) for tensor in model.outputs}
    found = {}
    for call in order:
        if call.name in sites and called[call.name] == 1:
            way = followed(call, sites, called, readers, ends)
            if way is not None:
                found[call.name] = way
    return found


def followed(
    start: Call, sites: dict, called: Counter[str], readers: dict[int, list[Call]], ends: set[int]
) -> Removable | None:
    """Where the channels of `start` go; None where they meet what can't be narrowed."""
    depthwise, reached, scales = [], [], True
    waiting = list(start.outputs)
    while waiting:
        tensor = waiting.pop()
        if id(tensor) in ends:
            return None
        for call in readers.get(id(tensor), ()):
            if called[call.name] > 1:
                return None
            operation = call.operation
            if call.name in sites:
                reached.append(call.name)
                continue
            if isinstance(operation, layers.DepthwiseConv2D) and operation.depth_multiplier == 1:
                depthwise.append(call.name)  # its bias does not scale
            elif not passes(operation):
                return None
            scales = scales and scales_too(operation)
            waiting += call.outputs
    return Removable(start.name, tuple(depthwise), tuple(dict.fromkeys(reached)), scales) if reached else None


def passes(operation: keras.Operation) -> bool:
    """Whether the operation treats every channel by itself and has no weights."""
    if isinstance(operation, layers.Activation):
        return operation.activation.__name__ in ELEMENTWISE
    return isinstance(operation, CHANNELWISE) or type(operation).__name__ in ("Relu", "Relu6", "Identity")


def scales_too(operation: keras.Operation) -> bool:
    if isinstance(operation, layers.Activation):
        return operation.activation.__name__ in ("relu", "linear", "leaky_relu")
    if isinstance(operation, layers.ReLU):
        return operation.max_value is None and not operation.threshold
    return isinstance(operation, SCALES) or type(operation).__name__ in ("Relu", "Identity")
