"""MEAN over all positions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compiler.backend.targets.c.ctext import Code, define_struct
from compiler.backend.targets.c.graph import Operator
from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.operators.factors import require_int32
from kernels.reference.mean import mean_factor

PARAMS_BYTES = 16  # sizeof(mean_params)
MOST_POSITIONS = 2**23  # their sum has to fit int32


@dataclass(frozen=True, eq=False)
class Mean(Node):
    positions: int
    c: int
    factor: tuple[int, int]
    zero_in: int
    zero_out: int

    @property
    def output_bytes(self) -> int:
        return self.c

    def code(self, prefix: str) -> Code:
        fields: dict[str, object] = {"positions": self.positions, "c": self.c}
        fields |= {"multiplier": self.factor[0], "shift": self.factor[1]}
        fields |= {"zero_in": self.zero_in, "zero_out": self.zero_out}
        return Code(
            ("mean_s8",),
            define_struct("mean_params", prefix, fields),
            f"mean_s8(&{prefix}, {{in0}}, {{out}});",
            PARAMS_BYTES,
        )


def lower_mean(operator: Operator) -> Mean:
    x, out = operator.map(), operator.output
    operator.require_int8(out)
    rank = len(x.shape)
    axes = {int(axis) % rank for axis in operator.constant(1).ravel()}
    if rank < 3 or x.shape[0] != 1 or axes != set(range(1, rank - 1)):
        operator.refuse(f"it averages the axes {sorted(axes)} of {x.shape}; use all but the batch and the channels")
    c = x.shape[-1]
    positions = x.size // c
    if positions >= MOST_POSITIONS or c > 65535:
        operator.refuse(f"it averages {positions} positions of {c} channels; at most {MOST_POSITIONS} of 65535")
    try:
        factor = mean_factor(x.scale / out.scale, positions)
    except ValueError as error:
        operator.refuse(f"{error}; quantize it again")
    require_int32(operator, np.array([255 * positions]), np.array([factor[1]]))
    return Mean(operator.name, (x.index,), out.index, positions, c, factor, x.zero, out.zero)
