"""A PAD of zeros in front of a convolution becomes the convolution's own padding: one map less, the same values.

Given a window that reads rows y · stride + i · dilation of the padded map, it reads rows top less of the map itself,
and what lies outside counts as real 0 in both.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.operators.conv import Conv
from compiler.backend.targets.c.operators.pad import Pad


def fold_pads(nodes: tuple[Node, ...], output: int) -> tuple[Node, ...]:
    """The same calls without the pads that only convolutions read. `output` is the network's."""
    pads = {node.output: node for node in nodes if isinstance(node, Pad) and _is_border(node)}
    readers = Counter(value for node in nodes for value in node.inputs)
    folded = Counter(n.inputs[0] for n in nodes if isinstance(n, Conv) and n.inputs[0] in pads and _fits(n, pads))
    gone = {value for value in pads if readers[value] == folded[value] and value != output}
    return tuple(
        _folded(node, pads[node.inputs[0]]) if isinstance(node, Conv) and node.inputs[0] in gone else node
        for node in nodes
        if node.output not in gone
    )


def _is_border(pad: Pad) -> bool:
    return pad.value == pad.zero and pad.paddings[2] == (0, 0)


def _fits(conv: Conv, pads: dict[int, Pad]) -> bool:
    pad = pads[conv.inputs[0]]
    return max(conv.window.pad[0] + pad.paddings[0][0], conv.window.pad[1] + pad.paddings[1][0]) <= 255


def _folded(conv: Conv, pad: Pad) -> Conv:
    top, left = (p + q[0] for p, q in zip(conv.window.pad, pad.paddings[:2], strict=True))
    return replace(conv, inputs=pad.inputs, shape_in=pad.shape_in, window=replace(conv.window, pad=(top, left)))
