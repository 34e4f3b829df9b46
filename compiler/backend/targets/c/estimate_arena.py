"""The arena of a network that is not emitted yet, from shapes alone: the calls that its operators would become,
streamed and packed as the emitter does it.

Shapes don't say how a window is padded; it is taken to be "same" where the sizes allow that, and a PAD of the borders
to be folded into the convolution behind it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from compiler.backend.targets.c.ctext import Code
from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.operators import RENAMINGS
from compiler.backend.targets.c.operators.add import Add
from compiler.backend.targets.c.operators.conv import Conv
from compiler.backend.targets.c.operators.pool import Pool
from compiler.backend.targets.c.pack_weights import Packed
from compiler.backend.targets.c.schedule import fits, schedule
from compiler.backend.targets.graph import Graph, Operator
from kernels.reference.add import AddFactors
from kernels.reference.channel_constants import Factors
from kernels.reference.window import Window

ELEMENTWISE = ("MUL", "RELU", "RELU6", "LOGISTIC", "TANH", "ELU", "LEAKY_RELU", "HARD_SWISH", "SOFTMAX")
CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
UNSEEN = ("DENSIFY", "QUANTIZE", "DEQUANTIZE", *RENAMINGS)  # move no byte at run time, or stand at a float border
NOTHING, CONSTANT = -1, -2  # values: of a call without output, of a kernel


@dataclass(frozen=True, eq=False)
class Call(Node):
    """Any other call. in_place: its output may be where its input is."""

    size: int
    in_place: bool = False

    @property
    def output_bytes(self) -> int:
        return self.size

    def distance(self, value: int) -> int | None:
        return 0 if self.in_place else None

    def code(self, prefix: str) -> Code:
        raise NotImplementedError("a call of an estimate has no text")


@dataclass
class Lowering:
    """Calls under way, and what stands for tensors that only rename or pad another."""

    graph: Graph
    nodes: list[Node] = field(default_factory=list)
    stand_in: dict[int, int] = field(default_factory=dict)

    def size(self, tensor: int) -> int:
        """Bytes as int8."""
        return self.graph.tensors[tensor].elements

    def reads(self, op: Operator) -> tuple[int, ...]:
        """Inputs that are computed at run time; a kernel behind DENSIFY is not."""
        found = (self.stand_in.get(i, i) for i in op.inputs if not self.graph.tensors[i].constant)
        return tuple(dict.fromkeys(i for i in found if i != CONSTANT))

    def add(self, op: Operator) -> None:
        inputs, output = self.reads(op), op.outputs[0]
        if op.code in UNSEEN or self.is_border(op):
            self.stand_in[output] = inputs[0] if inputs else CONSTANT
        elif op.code in CONVOLUTIONS and len(inputs) == 1:
            self.nodes.append(self.conv(op, inputs[0]))
        elif op.code == "ADD":
            factors = AddFactors((0, 0), (0, 0), (0, 0))
            self.nodes.append(Add("", inputs, output, self.size(output), factors, (0, 0, 0), (0, 0), {}))
        elif op.code == "AVERAGE_POOL_2D" and self.graph.tensors[output].shape[1:3] == (1, 1):
            _, h, w, c = self.graph.tensors[op.inputs[0]].shape
            window = Window((h, w), (1, 1))
            self.nodes.append(Pool("", inputs, output, "average_pool_s8", (h, w, c), window, (0, 0)))
        else:
            self.nodes.append(Call("", inputs, output, self.size(output), op.code in ELEMENTWISE))

    def is_border(self, op: Operator) -> bool:
        """A PAD of rows and columns, read by convolutions alone."""
        if op.code != "PAD":
            return False
        before, after = (self.graph.tensors[i].shape for i in (op.inputs[0], op.outputs[0]))
        readers = [other.code for other in self.graph.operators if op.outputs[0] in other.inputs]
        return len(before) == 4 and before[3] == after[3] and all(code in CONVOLUTIONS for code in readers)

    def conv(self, op: Operator, source: int) -> Conv:
        tensors = self.graph.tensors
        _, h_in, w_in, c_in = tensors[source].shape
        padded, out, kernel = (tensors[i].shape for i in (op.inputs[0], op.outputs[0], op.inputs[1]))
        strides = tuple(max(1, round(a / b)) for a, b in zip(padded[1:3], out[1:3], strict=True))
        pad = [
            max(0, (b - 1) * s + k - a) // 2 if b == math.ceil(a / s) else 0
            for a, b, s, k in zip((h_in, w_in), out[1:3], strides, kernel[1:3], strict=True)
        ]
        window = Window((kernel[1], kernel[2]), (out[1], out[2]), (strides[0], strides[1]), (1, 1), (pad[0], pad[1]))
        depthwise = op.code == "DEPTHWISE_CONV_2D"
        nothing = np.zeros(0, np.int64)
        weights = np.broadcast_to(np.int8(0), kernel[1:] if depthwise else kernel)
        stored = Packed("", {})
        shape_in = (h_in, w_in, c_in)
        return Conv(
            "", (source,), op.outputs[0], shape_in, out[3], window, weights,
            nothing, Factors(0, None, 0, 0, 0), 0, 0, (0, 0), stored,
        )  # fmt: skip


def estimate_arena(graph: Graph) -> int:
    """Bytes of the arena of a graph. It may be a part of a network: then what comes in and goes out beside its last
    result is in the arena throughout."""
    nodes, source, size, sink = calls_of(graph)
    return schedule(nodes, source, size, sink).plan.bytes if nodes else 0


def arena_fits(graph: Graph, limit: float) -> bool:
    """Whether that is within the limit, which may be known sooner."""
    nodes, source, size, sink = calls_of(graph)
    return fits(nodes, source, size, sink, limit) if nodes else limit >= 0


def calls_of(graph: Graph) -> tuple[tuple[Node, ...], int, int, int]:
    """The calls, the value that comes in, its bytes, and the value that goes out."""
    lowering = Lowering(graph)
    first, *others = graph.inputs
    for index in others:
        lowering.nodes.append(Call("", (), index, lowering.size(index)))
    for op in graph.operators:
        lowering.add(op)
    outputs = tuple(dict.fromkeys(lowering.stand_in.get(i, i) for i in graph.outputs))
    sink = outputs[0]
    if len(outputs) > 1:
        lowering.nodes.append(Call("", outputs, NOTHING, 0))
        sink = NOTHING
    return tuple(lowering.nodes), first, lowering.size(first), sink
