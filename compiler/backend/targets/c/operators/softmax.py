"""SOFTMAX over the last axis."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.backend.targets.c.ctext import Code, define_struct
from compiler.backend.targets.c.graph import Operator
from compiler.backend.targets.c.node import Node
from kernels.reference.softmax import softmax_factor

PARAMS_BYTES = 12  # sizeof(softmax_params)
MOST_CLASSES = 4095  # their sum is Q12.19


@dataclass(frozen=True, eq=False)
class Softmax(Node):
    """factor: (multiplier, shift, least difference)."""

    n: int
    c: int
    factor: tuple[int, int, int]

    @property
    def output_bytes(self) -> int:
        return self.n * self.c

    def distance(self, value: int) -> int | None:
        return 0

    def code(self, prefix: str) -> Code:
        multiplier, shift, least = self.factor
        fields: dict[str, object] = {"multiplier": multiplier, "least": least, "c": self.c, "shift": shift}
        return Code(
            ("softmax_s8",),
            define_struct("softmax_params", prefix, fields),
            f"softmax_s8(&{prefix}, {{in0}}, {{out}}, {self.n});",
            PARAMS_BYTES,
        )


def lower_softmax(operator: Operator) -> Softmax:
    x, out = operator.map(), operator.output
    operator.require_int8(out)
    if (out.scale, out.zero) != (1 / 256, -128):
        operator.refuse("its output has not the scale 1/256 and the zero point -128; convert again")
    c = x.shape[-1]
    if c > MOST_CLASSES:
        operator.refuse(f"it has {c} classes; at most {MOST_CLASSES}")
    try:
        factor = softmax_factor(x.scale, 1.0 if operator.options is None else float(operator.options.beta))
    except ValueError as error:
        operator.refuse(f"{error}; leave the softmax out, the order of the logits is the same")
    return Softmax(operator.name, (x.index,), out.index, x.size // c, c, factor)
