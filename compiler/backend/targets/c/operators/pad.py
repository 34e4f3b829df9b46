"""PAD and PADV2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compiler.backend.targets.c.ctext import Code, define_struct
from compiler.backend.targets.c.graph import Operator
from compiler.backend.targets.c.node import Node

PARAMS_BYTES = 20  # sizeof(pad_params)


@dataclass(frozen=True, eq=False)
class Pad(Node):
    """(before, after) along h, w and c; `value` is real 0 if it equals `zero`."""

    shape_in: tuple[int, int, int]
    paddings: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    value: int
    zero: int

    @property
    def shape_out(self) -> tuple[int, int, int]:
        h, w, c = (n + sum(pad) for n, pad in zip(self.shape_in, self.paddings, strict=True))
        return h, w, c

    @property
    def output_bytes(self) -> int:
        return int(np.prod(self.shape_out))

    def code(self, prefix: str) -> Code:
        fields: dict[str, object] = dict(zip(("h_in", "w_in", "c_in"), self.shape_in, strict=True))
        fields |= dict(zip(("h_out", "w_out", "c_out"), self.shape_out, strict=True))
        fields |= dict(zip(("top", "left", "front"), (before for before, _ in self.paddings), strict=True))
        fields["value"] = self.value
        return Code(
            ("pad_s8",),
            define_struct("pad_params", prefix, fields),
            f"pad_s8(&{prefix}, {{in0}}, {{out}});",
            PARAMS_BYTES,
        )


def lower_pad(operator: Operator) -> Pad:
    x, out = operator.map(), operator.output
    operator.require_int8(out)
    operator.same_quantization(x)
    paddings = operator.constant(1)
    rank = len(x.shape)
    if not 2 <= rank <= 4 or paddings.shape != (rank, 2) or paddings.min() < 0 or np.any(paddings[0]):
        operator.refuse(f"it pads {x.shape} by {paddings.tolist()}; pad height, width and channels of one example")
    value = out.zero
    if operator.code == "PADV2":
        given = operator.constant(2)
        if given.dtype != np.int8 or given.size != 1:
            operator.refuse("its value is no int8 number; quantize the network to int8")
        value = int(given.ravel()[0])
    inner = [(0, 0)] * (4 - rank) + [(int(a), int(b)) for a, b in paddings[1:]]
    pad = Pad(operator.name, (x.index,), out.index, x.map_shape, (inner[0], inner[1], inner[2]), value, out.zero)
    if max(pad.shape_out) > 65535:
        operator.refuse(f"it pads to {pad.shape_out}; at most 65535 along an axis")
    return pad
