"""CONV_2D and DEPTHWISE_CONV_2D: a row kernel, chosen by what its weights take least flash in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compiler.backend.targets.c.ctext import Code, define_constants, define_struct
from compiler.backend.targets.c.graph import Operator, Tensor
from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.operators.activation import activation_range
from compiler.backend.targets.c.operators.factors import factor_of, require_int32
from compiler.backend.targets.c.overlap import row_distance
from compiler.backend.targets.c.pack_weights import Packed
from kernels.reference.channel_constants import Factors, pack_bias, pack_factors
from kernels.reference.conv2d import fold_bias
from kernels.reference.window import Window

MOST_WINDOW_ROWS = 32  # KERNELS_MAX_ROWS
PLANAR_POSITIONS = 8  # CONV2D_PLANAR_POSITIONS
PARAMS_BYTES = 60  # sizeof(conv2d_params) where pointers have 4 bytes


@dataclass(frozen=True, eq=False)
class Conv(Node):
    """One convolution. bias is as the file has it.

    shape_in (h, w, c_in); `factors` and `packed` hold factors and weights as they are stored; `packed` names the
    row kernel that reads them.
    """

    shape_in: tuple[int, int, int]
    c_out: int
    window: Window
    weights: np.ndarray  # OHWI, or HWC of a depthwise convolution
    bias: np.ndarray
    factors: Factors
    zero_in: int
    zero_out: int
    activation: tuple[int, int]
    packed: Packed

    @property
    def depthwise(self) -> bool:
        return self.weights.ndim == 3

    @property
    def pointwise(self) -> bool:
        """1×1, and every output position reads an input position: no padding before, and none behind."""
        window = self.window
        inside = all((n - 1) * s < size for n, s, size in zip(window.out, window.strides, self.shape_in, strict=False))
        return not self.depthwise and window.kernel == (1, 1) and window.pad == (0, 0) and inside

    @property
    def reach(self) -> int:
        """From the first to the last input row of a window."""
        return (self.window.kernel[0] - 1) * self.window.dilation[0]

    @property
    def row_in(self) -> int:
        return self.shape_in[1] * self.shape_in[2]

    @property
    def row_out(self) -> int:
        return self.window.out[1] * self.c_out

    @property
    def output_bytes(self) -> int:
        return self.window.out[0] * self.row_out

    @property
    def planar_bytes(self) -> int:
        """What conv2d_sparse_planar_s8 lays out."""
        k_h, k_w = self.window.kernel
        return k_h * k_w * 8 * math.ceil(self.shape_in[2] / 8) * PLANAR_POSITIONS

    @property
    def gap_bytes(self) -> int:
        return self.planar_bytes if self.packed.kernel == "conv2d_sparse_planar_s8" else 0

    @property
    def weight_arrays(self) -> tuple[np.ndarray, ...]:
        return *self.packed.arrays.values(), pack_bias(self.stored_bias)[0]

    @property
    def weight_counts(self) -> tuple[int, ...]:
        return *self.packed.counts, self.c_out

    @property
    def stored_bias(self) -> np.ndarray:
        """(c_out,) int64, with the zero point folded in where the kernel wants it so."""
        return self.bias if self.depthwise else fold_bias(self.bias, self.weights, self.zero_in)

    def first_row(self, y: int) -> int:
        """The first input row that output row y reads."""
        return max(0, y * self.window.strides[0] - self.window.pad[0])

    def distance(self, value: int) -> int | None:
        return row_distance(self.window.out[0], self.row_out, self.shape_in[0], self.row_in, self.first_row)

    def code(self, prefix: str) -> Code:
        definitions, size = self.define(prefix)
        return Code(
            ("conv2d_rows_s8", self.packed.kernel),
            definitions,
            f"conv2d_rows_s8(&{prefix}, {{in0}}, {{gap}}, {{out}});",
            size,
        )

    def define(self, prefix: str) -> tuple[str, int]:
        """(text of a conv2d_params named `prefix` and of what it points to, bytes of both)."""
        arrays = dict(self.packed.arrays)
        arrays["bias"], bias_bytes = pack_bias(self.stored_bias)
        factors = self.factors
        if factors.stored is not None:
            arrays["factors"] = factors.stored
        constants = define_constants(prefix, arrays)
        window = self.window
        fields: dict[str, object] = {"row": self.packed.kernel, **constants.names}
        fields |= dict(zip(("h_in", "w_in", "c_in"), self.shape_in, strict=True))
        fields |= {"h_out": window.out[0], "w_out": window.out[1], "c_out": self.c_out}
        fields |= {"k_h": window.kernel[0], "k_w": window.kernel[1]}
        fields |= {"stride_h": window.strides[0], "stride_w": window.strides[1]}
        fields |= {"dilation_h": window.dilation[0], "dilation_w": window.dilation[1]}
        fields |= {"pad_top": window.pad[0], "pad_left": window.pad[1]}
        fields |= {"b_in": self.packed.block[0], "b_out": self.packed.block[1], "bias_bytes": bias_bytes}
        fields |= {"factor_high": f"{factors.high}u", "factor_low": f"{factors.low}u"}
        fields |= {"factor_bytes": factors.bytes, "shift": factors.shift}
        fields |= {"zero_in": self.zero_in, "zero_out": self.zero_out}
        fields |= {"min": self.activation[0], "max": self.activation[1]}
        return (
            constants.text + define_struct("conv2d_params", prefix, fields),
            constants.bytes + PARAMS_BYTES,
        )


def lower_conv(operator: Operator) -> Conv:
    x, kernel = operator.map(), operator.input(1)
    weights = _kernel(operator, kernel)
    if weights.shape[3] != x.map_shape[2]:
        operator.refuse(
            f"its kernel reads {weights.shape[3]} of {x.map_shape[2]} channels; grouped convolutions have no kernel"
        )
    return _conv(operator, x, weights, kernel.scales, Packed.dense(weights))


def lower_depthwise(operator: Operator) -> Conv:
    x, kernel = operator.map(), operator.input(1)
    weights = _kernel(operator, kernel)
    if weights.shape[0] != 1 or weights.shape[3] % x.map_shape[2]:
        operator.refuse(f"its kernel {weights.shape} doesn't fit {x.map_shape[2]} channels; write the file again")
    return _conv(operator, x, weights[0], kernel.scales, Packed.depthwise(weights[0]))


def _kernel(operator: Operator, kernel: Tensor) -> np.ndarray:
    values = operator.constant(1)
    if values.dtype != np.int8 or values.ndim != 4 or not kernel.scales:
        operator.refuse(f"its kernel is {values.dtype} of {values.ndim} axes; quantize it to int8")
    if kernel.zero:
        operator.refuse("its kernel has a zero point; quantize it symmetrically")
    return values


def _conv(operator: Operator, x: Tensor, weights: np.ndarray, scales: tuple[float, ...], packed: Packed) -> Conv:
    out = operator.output
    operator.require_int8(out)
    if len(x.shape) != 4 or len(out.shape) != 4 or x.shape[0] != 1 or out.shape[0] != 1:
        operator.refuse(f"its maps are {x.shape} and {out.shape}; it runs one example of (1, h, w, c) at a time")
    c_out = weights.shape[2] if weights.ndim == 3 else weights.shape[0]
    bias = bias_of(operator, c_out)
    if len(scales) not in (1, c_out):
        operator.refuse(f"its kernel has {len(scales)} scales for {c_out} channels; quantize it again")
    factors = [factor_of(operator, x.scale * scale / out.scale) for scale in scales]
    multiplier, shift = (np.broadcast_to(np.array(f, np.int64), c_out) for f in zip(*factors, strict=True))
    by_channel = np.moveaxis(weights, 2, 0) if weights.ndim == 3 else weights
    require_int32(operator, largest_sums(by_channel, bias, x.zero), shift)
    window = window_of(operator, x.map_shape, by_channel.shape[1:3])
    if out.map_shape != (*window.out, c_out):
        operator.refuse(f"its output is {out.map_shape} where its window gives {(*window.out, c_out)}; write it again")
    return Conv(
        operator.name,
        (x.index,),
        out.index,
        x.map_shape,
        c_out,
        window,
        weights,
        bias,
        pack_factors(multiplier, shift, np.broadcast_to(np.array(scales), c_out), x.scale / out.scale),
        x.zero,
        out.zero,
        activation_range(operator),
        packed,
    )


def bias_of(operator: Operator, c_out: int) -> np.ndarray:
    """(c_out,) int64; zeros where the operator has none."""
    if len(operator.inputs) < 3 or operator.inputs[2] is None:
        return np.zeros(c_out, np.int64)
    bias = operator.constant(2)
    if bias.dtype != np.int32 or bias.shape != (c_out,):
        operator.refuse(f"its bias is {bias.dtype} {bias.shape}; it has to be int32 ({c_out},)")
    return bias.astype(np.int64)


def largest_sums(weights: np.ndarray, bias: np.ndarray, zero_in: int) -> np.ndarray:
    """(c_out,) int64: no accumulator, nor any part of its sum, is larger in size; output channels first."""
    sums = np.abs(weights.reshape(len(weights), -1).astype(np.int64)).sum(axis=1)
    return np.maximum(np.abs(fold_bias(bias, weights, zero_in)), np.abs(bias) + abs(zero_in) * sums) + 128 * sums


def window_of(
    operator: Operator, shape_in: tuple[int, int, int], kernel: tuple[int, ...], most_rows: int = MOST_WINDOW_ROWS
) -> Window:
    """Geometry of a convolution or pooling from its options. Refuses what the kernels' types can't hold."""
    options = operator.options
    if options is None:
        operator.refuse("it has no options; write the file again")
    strides = (int(options.strideH), int(options.strideW))
    dilation = (int(getattr(options, "dilationHFactor", 1)), int(getattr(options, "dilationWFactor", 1)))
    if min(*strides, *dilation, *kernel) < 1 or max(*strides, *dilation, *kernel) > 255 or kernel[0] > most_rows:
        operator.refuse(
            f"its window {kernel} with strides {strides} and dilation {dilation} is too large: at most 255, and "
            f"{most_rows} rows"
        )
    out, pad = [], []
    for axis in (0, 1):
        span = (kernel[axis] - 1) * dilation[axis] + 1
        if options.padding == schema.Padding.VALID:
            out.append((shape_in[axis] - span) // strides[axis] + 1)
            pad.append(0)
        else:
            out.append(math.ceil(shape_in[axis] / strides[axis]))
            pad.append(max(0, (out[axis] - 1) * strides[axis] + span - shape_in[axis]) // 2)
    if min(out) < 1 or max(*shape_in, *out) > 65535 or max(pad) > 255:
        operator.refuse(f"a map of {shape_in} with a window of {kernel} is out of the kernels' range: 1 to 65535")
    return Window((kernel[0], kernel[1]), (out[0], out[1]), strides, dilation, (pad[0], pad[1]))
