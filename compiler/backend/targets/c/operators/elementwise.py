"""Operands of ADD and MUL: two maps of one shape, or a map and a constant along its last axis."""

from __future__ import annotations

import numpy as np

from compiler.backend.targets.c.graph import Operator, Tensor


def operands(operator: Operator) -> tuple[Tensor, Tensor]:
    """(a, b): `a` is computed at run time and has the output's shape; `b` has it too, or is a constant of as many
    values as the last axis or of one. Refuses other broadcasts."""
    a, b = operator.input(0), operator.input(1)
    if a.values is not None:
        a, b = b, a
    if a.values is not None:
        operator.refuse("both operands are constants; fold it when converting")
    for tensor in (a, b, operator.output):
        operator.require_int8(tensor)
    if a.shape != operator.output.shape or not (b.shape == a.shape or _along_last_axis(a, b)):
        operator.refuse(
            f"it broadcasts {a.shape} and {b.shape}; make them equal, or one a constant along the last axis"
        )
    return a, b


def _along_last_axis(a: Tensor, b: Tensor) -> bool:
    last = b.shape[-1] if b.shape else 1
    return b.values is not None and b.size == last and last in (1, a.shape[-1])


def constant_of(b: Tensor) -> dict[str, np.ndarray]:
    """The array of a constant operand, to be defined; none for a map."""
    return {} if b.values is None else {"operand": b.values.astype(np.int8)}
