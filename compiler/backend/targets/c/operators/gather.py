"""GATHER of channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compiler.backend.targets.c.ctext import Code, define_array
from compiler.backend.targets.c.graph import Operator
from compiler.backend.targets.c.node import Node


@dataclass(frozen=True, eq=False)
class Gather(Node):
    positions: int
    c_in: int
    index: np.ndarray  # uint16

    @property
    def output_bytes(self) -> int:
        return self.positions * len(self.index)

    def code(self, prefix: str) -> Code:
        call = f"gather_s8({prefix}, {{in0}}, {{out}}, {self.positions}, {self.c_in}, {len(self.index)});"
        return Code(("gather_s8",), define_array(prefix, self.index), call, self.index.nbytes)


def lower_gather(operator: Operator) -> Gather:
    x, out = operator.map(), operator.output
    operator.require_int8(out)
    operator.same_quantization(x)
    index = operator.constant(1).ravel()
    axis = 0 if operator.options is None else int(operator.options.axis)
    batch_dims = 0 if operator.options is None else int(operator.options.batchDims)
    c_in = x.shape[-1]
    if axis % len(x.shape) != len(x.shape) - 1 or batch_dims:
        operator.refuse(f"it gathers along axis {axis}; only channels, the last axis, can be gathered")
    if c_in > 65535 or len(index) == 0 or index.min() < 0 or index.max() >= c_in:
        operator.refuse(f"its indices have to lie in 0 to {min(c_in, 65535) - 1}; write the file again")
    return Gather(operator.name, (x.index,), out.index, x.size // c_in, c_in, index.astype(np.uint16))
