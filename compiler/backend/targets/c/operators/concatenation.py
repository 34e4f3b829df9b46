"""CONCATENATION of maps of one scale."""

from __future__ import annotations

import math
from dataclasses import dataclass

from compiler.backend.targets.c.ctext import Code
from compiler.backend.targets.c.graph import Operator
from compiler.backend.targets.c.node import Node


@dataclass(frozen=True, eq=False)
class Concatenation(Node):
    """Each input lies in `positions` pieces of widths[i] bytes, which the output holds side by side."""

    positions: int
    widths: tuple[int, ...]

    @property
    def output_bytes(self) -> int:
        return self.positions * sum(self.widths)

    def code(self, prefix: str) -> Code:
        calls, at = [], 0
        for i, width in enumerate(self.widths):
            place = f"{{out}} + {at}" if at else "{out}"
            calls.append(f"copy_s8({{in{i}}}, {place}, {self.positions}, {width}, {width}, {sum(self.widths)});")
            at += width
        return Code(("copy_s8",), "", "\n    ".join(calls))


def lower_concatenation(operator: Operator) -> Concatenation:
    maps = [operator.map(i) for i in range(len(operator.inputs))]
    out = operator.output
    operator.require_int8(out)
    operator.same_quantization(*maps)
    if activation := (0 if operator.options is None else operator.options.fusedActivationFunction):
        operator.refuse(f"it has the fused activation {activation}; use a layer of its own")
    axis = (0 if operator.options is None else int(operator.options.axis)) % len(out.shape)
    outer = math.prod(out.shape[:axis])
    if any(m.shape[:axis] != out.shape[:axis] or m.shape[axis + 1 :] != out.shape[axis + 1 :] for m in maps):
        operator.refuse("its inputs differ in other axes than the joined one; write the file again")
    return Concatenation(
        operator.name, tuple(m.index for m in maps), out.index, outer, tuple(m.size // outer for m in maps)
    )
