"""Each convolution's weights in the form that takes least flash."""

from __future__ import annotations

from dataclasses import replace

from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.operators.conv import Conv
from compiler.backend.targets.c.pack_weights import Packed, smallest


def choose_storage(nodes: tuple[Node, ...], most_kept: float) -> tuple[Node, ...]:
    """The same calls; a kernel is stored sparse only if at most that share of its weights is not 0."""
    return tuple(_stored(node, most_kept) if isinstance(node, Conv) else node for node in nodes)


def _stored(conv: Conv, most_kept: float) -> Conv:
    if conv.depthwise:
        return conv
    dense = Packed.pointwise(conv.weights) if conv.pointwise else Packed.dense(conv.weights)
    return replace(conv, packed=smallest(conv.weights, dense, most_kept))
