"""MUL."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compiler.backend.targets.c.ctext import Code, define_constants, define_struct
from compiler.backend.targets.c.graph import Operator
from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.operators.activation import activation_range
from compiler.backend.targets.c.operators.elementwise import constant_of, operands
from compiler.backend.targets.c.operators.factors import require_int32
from kernels.reference.mul import mul_factor

PARAMS_BYTES = 12  # sizeof(mul_params)


@dataclass(frozen=True, eq=False)
class Mul(Node):
    """inputs (a, b), or (a,) and the constant `b`."""

    size: int
    factor: tuple[int, int]
    zeros: tuple[int, int, int]  # of a, b and the output
    activation: tuple[int, int]
    constant: dict[str, np.ndarray]

    @property
    def output_bytes(self) -> int:
        return self.size

    @property
    def weight_arrays(self) -> tuple[np.ndarray, ...]:
        return tuple(self.constant.values())

    def distance(self, value: int) -> int | None:
        return 0

    def code(self, prefix: str) -> Code:
        constants = define_constants(prefix, self.constant)
        fields: dict[str, object] = {"multiplier": self.factor[0], "shift": self.factor[1]}
        fields |= dict(zip(("zero_a", "zero_b", "zero_out"), self.zeros, strict=True))
        fields |= {"min": self.activation[0], "max": self.activation[1]}
        b = constants.names.get("operand", "{in1}")
        period = self.constant["operand"].size if self.constant else self.size
        return Code(
            ("mul_s8",),
            constants.text + define_struct("mul_params", prefix, fields),
            f"mul_s8(&{prefix}, {{in0}}, {b}, {{out}}, {self.size}, {period});",
            constants.bytes + PARAMS_BYTES,
        )


def lower_mul(operator: Operator) -> Mul:
    a, b = operands(operator)
    try:
        factor = mul_factor(a.scale, b.scale, operator.output.scale)
    except ValueError as error:
        operator.refuse(f"{error}; quantize it again")
    require_int32(operator, np.array([255 * 255]), np.array([factor[1]]))
    return Mul(
        operator.name,
        (a.index,) if b.values is not None else (a.index, b.index),
        operator.output.index,
        a.size,
        factor,
        (a.zero, b.zero, operator.output.zero),
        activation_range(operator),
        constant_of(b),
    )
