"""ADD."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compiler.backend.targets.c.ctext import Code, define_constants, define_struct
from compiler.backend.targets.c.graph import Operator
from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.operators.activation import activation_range
from compiler.backend.targets.c.operators.elementwise import constant_of, operands
from kernels.reference.add import AddFactors, add_factors

PARAMS_BYTES = 20  # sizeof(add_params)


@dataclass(frozen=True, eq=False)
class Add(Node):
    """inputs (a, b), or (a,) and the constant `b`."""

    size: int
    factors: AddFactors
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

    def swapped(self) -> Add:
        """b + a."""
        f = self.factors
        return Add(
            self.name,
            self.inputs[::-1],
            self.output,
            self.size,
            AddFactors(f.b, f.a, f.out),
            (self.zeros[1], self.zeros[0], self.zeros[2]),
            self.activation,
            self.constant,
        )

    def define(self, prefix: str) -> tuple[str, int]:
        """(text of an add_params named `prefix`, its bytes)."""
        fields: dict[str, object] = {}
        for which, (multiplier, shift) in (("a", self.factors.a), ("b", self.factors.b), ("out", self.factors.out)):
            fields |= {f"multiplier_{which}": multiplier, f"shift_{which}": shift}
        fields |= dict(zip(("zero_a", "zero_b", "zero_out"), self.zeros, strict=True))
        fields |= {"min": self.activation[0], "max": self.activation[1]}
        return define_struct("add_params", prefix, fields), PARAMS_BYTES

    def code(self, prefix: str) -> Code:
        text, size = self.define(prefix)
        constants = define_constants(prefix, self.constant)
        b = constants.names.get("operand", "{in1}")
        period = self.constant["operand"].size if self.constant else self.size
        call = f"add_s8(&{prefix}, {{in0}}, {b}, {{out}}, {self.size}, {period});"
        return Code(("add_s8",), constants.text + text, call, constants.bytes + size)


def lower_add(operator: Operator) -> Add:
    a, b = operands(operator)
    try:
        factors = add_factors(a.scale, b.scale, operator.output.scale)
    except ValueError as error:
        operator.refuse(f"{error}; quantize it again")
    return Add(
        operator.name,
        (a.index,) if b.values is not None else (a.index, b.index),
        operator.output.index,
        a.size,
        factors,
        (a.zero, b.zero, operator.output.zero),
        activation_range(operator),
        constant_of(b),
    )
