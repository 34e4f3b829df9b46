"""AVERAGE_POOL_2D and MAX_POOL_2D."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.backend.targets.c.ctext import Code, define_struct
from compiler.backend.targets.c.graph import Operator
from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.operators.activation import activation_range
from compiler.backend.targets.c.operators.conv import window_of
from compiler.backend.targets.c.overlap import row_distance
from kernels.reference.window import Window

PARAMS_BYTES = 18  # sizeof(pool_params)


@dataclass(frozen=True, eq=False)
class Pool(Node):
    """kernel: average_pool_s8 or max_pool_s8."""

    kernel: str
    shape_in: tuple[int, int, int]
    window: Window
    activation: tuple[int, int]

    @property
    def output_bytes(self) -> int:
        return self.window.out[0] * self.window.out[1] * self.shape_in[2]

    def distance(self, value: int) -> int | None:
        h_in, w_in, c = self.shape_in
        stride, pad = self.window.strides[0], self.window.pad[0]
        return row_distance(
            self.window.out[0], self.window.out[1] * c, h_in, w_in * c, lambda y: max(0, y * stride - pad)
        )

    @property
    def averages_all(self) -> bool:
        """Whether it is the average over the whole map."""
        window = self.window
        return self.kernel == "average_pool_s8" and window.kernel == self.shape_in[:2] and window.out == (1, 1)

    def code(self, prefix: str) -> Code:
        text, size = self.define(prefix)
        return Code((self.kernel,), text, f"{self.kernel}(&{prefix}, {{in0}}, {{out}});", size)

    def define(self, prefix: str) -> tuple[str, int]:
        """(text of a pool_params named `prefix`, its bytes)."""
        window = self.window
        fields: dict[str, object] = {"h_in": self.shape_in[0], "w_in": self.shape_in[1], "c": self.shape_in[2]}
        fields |= {"h_out": window.out[0], "w_out": window.out[1]}
        fields |= {"k_h": window.kernel[0], "k_w": window.kernel[1]}
        fields |= {"stride_h": window.strides[0], "stride_w": window.strides[1]}
        fields |= {"pad_top": window.pad[0], "pad_left": window.pad[1]}
        fields |= {"min": self.activation[0], "max": self.activation[1]}
        return define_struct("pool_params", prefix, fields), PARAMS_BYTES


def lower_average_pool(operator: Operator) -> Pool:
    return _pool(operator, "average_pool_s8")


def lower_max_pool(operator: Operator) -> Pool:
    return _pool(operator, "max_pool_s8")


def _pool(operator: Operator, kernel: str) -> Pool:
    x, out = operator.map(), operator.output
    operator.require_int8(out)
    operator.same_quantization(x)
    if len(x.shape) != 4 or x.shape[0] != 1:
        operator.refuse(f"its map is {x.shape}; it runs one example of (1, h, w, c) at a time")
    options = operator.options
    size = (0, 0) if options is None else (int(options.filterHeight), int(options.filterWidth))
    window = window_of(operator, x.map_shape, size, most_rows=255)
    if out.map_shape != (*window.out, x.map_shape[2]):
        operator.refuse(f"its output is {out.map_shape}, not what its window gives; write the file again")
    return Pool(operator.name, (x.index,), out.index, kernel, x.map_shape, window, activation_range(operator))
