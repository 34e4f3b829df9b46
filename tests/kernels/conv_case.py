"""Random convolutions: shapes, windows, zero points, and scales from vanishing to the largest that int32 can hold."""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass, replace

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from hypothesis import strategies as st

from compiler.backend.shorten_scales import rounded
from compiler.backend.targets.c.operators.conv import PLANAR_POSITIONS
from kernels.reference.bitmap import pack_bitmap
from kernels.reference.block import pack_block
from kernels.reference.channel_constants import Factors, pack_bias, pack_factors
from kernels.reference.coded import HIGHEST, LOWEST, pack_coded
from kernels.reference.conv2d import conv2d, fold_bias
from kernels.reference.depthwise import depthwise
from kernels.reference.requantize import quantize_multiplier
from kernels.reference.window import Window
from tests.kernels.clib import Conv2D, Kept
from tests.kernels.litert import Fed, Fixed, network


@dataclass(frozen=True)
class ConvCase:
    """weights (c_out, k_h, k_w, c_in), or (k_h, k_w, c_out) of a depthwise convolution; scales as in a .tflite."""

    x: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    window: Window
    padding: str | None  # "SAME", "VALID", or None: any other
    scale_in: np.float32
    scale_weights: np.ndarray
    scale_out: np.float32
    zero_in: int
    zero_out: int
    activation: tuple[int, int] = (-128, 127)

    @property
    def depthwise(self) -> bool:
        return self.weights.ndim == 3

    @property
    def c_out(self) -> int:
        return self.weights.shape[2] if self.depthwise else self.weights.shape[0]

    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        """(multiplier, shift) of each entry of `scale_weights`."""
        products = float(self.scale_in) * self.scale_weights.astype(np.float64) / float(self.scale_out)
        pairs = [quantize_multiplier(float(product)) for product in products]
        return np.int64([m for m, _ in pairs]), np.int64([s for _, s in pairs])

    def stored_factors(self) -> Factors:
        """As the C struct has them."""
        multiplier, shift = (np.broadcast_to(part, self.c_out) for part in self.factors())
        scales = np.broadcast_to(self.scale_weights, self.c_out)
        return pack_factors(multiplier, shift, scales, float(self.scale_in) / float(self.scale_out))

    def expected(self) -> np.ndarray:
        """By numpy."""
        compute = depthwise if self.depthwise else conv2d
        return compute(
            self.x,
            self.weights,
            self.bias,
            *self.factors(),
            self.window,
            zero_in=self.zero_in,
            zero_out=self.zero_out,
            activation=self.activation,
        )

    def tflite(self) -> bytes:
        """A network of this one convolution; needs a padding that TFLite has, and no activation."""
        assert self.padding is not None
        assert self.activation == (-128, 127)
        options: schema.Conv2DOptionsT | schema.DepthwiseConv2DOptionsT
        if self.depthwise:
            options = schema.DepthwiseConv2DOptionsT(depthMultiplier=self.c_out // self.x.shape[2])
        else:
            options = schema.Conv2DOptionsT()
        options.padding = getattr(schema.Padding, self.padding)
        options.strideH, options.strideW = self.window.strides
        options.dilationHFactor, options.dilationWFactor = self.window.dilation
        return network(
            "DEPTHWISE_CONV_2D" if self.depthwise else "CONV_2D",
            [
                Fed((1, *self.x.shape), float(self.scale_in), self.zero_in),
                Fixed(
                    self.weights[None] if self.depthwise else self.weights,
                    self.scale_weights,
                    3 if self.depthwise else 0,
                ),
                Fixed(self.bias, self.scale_in * self.scale_weights),
            ],
            Fed((1, *self.window.out, self.c_out), float(self.scale_out), self.zero_out),
            options,
            version=3,
        )

    def struct(self, library: ctypes.CDLL, kernel: str, kept: Kept, block: tuple[int, int] | None = None) -> Conv2D:
        """The C struct for one of the row kernels; `kept` owns the arrays it points to."""
        weights, bitmap = self.weights, np.zeros(0, np.uint8)
        if kernel == "conv2d_coded_s8":
            bitmap, weights = pack_coded(self.weights)
        if kernel in ("conv2d_sparse_bitmap_s8", "conv2d_sparse_planar_s8"):
            bitmap, weights = pack_bitmap(self.weights)
        if kernel == "conv2d_sparse_block_s8":
            assert block is not None
            bitmap, weights = pack_block(self.weights, block)
        bias = self.bias if self.depthwise else fold_bias(self.bias, self.weights, self.zero_in)
        factors = self.stored_factors()
        stored, bias_bytes = pack_bias(bias)
        return Conv2D(
            row=ctypes.cast(getattr(library, kernel), ctypes.c_void_p),
            weights=kept.pointer(weights, np.int8),
            bitmap=kept.pointer(np.append(bitmap, np.zeros(3)), np.uint8),
            bias=kept.pointer(stored, stored.dtype),
            factors=None if factors.stored is None else kept.pointer(factors.stored, factors.stored.dtype),
            factor_high=factors.high,
            factor_low=factors.low,
            h_in=self.x.shape[0],
            w_in=self.x.shape[1],
            c_in=self.x.shape[2],
            h_out=self.window.out[0],
            w_out=self.window.out[1],
            c_out=self.c_out,
            k_h=self.window.kernel[0],
            k_w=self.window.kernel[1],
            stride_h=self.window.strides[0],
            stride_w=self.window.strides[1],
            dilation_h=self.window.dilation[0],
            dilation_w=self.window.dilation[1],
            pad_top=self.window.pad[0],
            pad_left=self.window.pad[1],
            b_in=block[0] if block else 0,
            b_out=block[1] if block else 0,
            bias_bytes=bias_bytes,
            factor_bytes=factors.bytes,
            shift=factors.shift,
            zero_in=self.zero_in,
            zero_out=self.zero_out,
            min=self.activation[0],
            max=self.activation[1],
        )


def scratch_of(case: ConvCase) -> np.ndarray:
    """What any row kernel may ask for, and not a byte more."""
    return np.full(math.prod(case.window.kernel) * 8 * math.ceil(case.x.shape[2] / 8) * PLANAR_POSITIONS, 99, np.int8)


def window_of(padding: str, kernel: int, size: int, stride: int, dilation: int) -> tuple[int, int]:
    """(positions out, padding in front) along one axis, as TFLite has them; 0 positions where none fits."""
    span = (kernel - 1) * dilation + 1
    if padding == "VALID":
        return max(0, (size - span) // stride + 1), 0
    out = math.ceil(size / stride)
    return out, max(0, (out - 1) * stride + span - size) // 2


def random_scales(
    rng: np.random.Generator, weights: np.ndarray, bias: np.ndarray, zero_in: int, extreme: bool
) -> tuple[np.float32, np.ndarray, np.float32]:
    """(input's, one for each row of `weights`, output's): factors that use the output's range, or, if `extreme`, any
    that keep within int32."""
    reach = np.abs(bias) + 255 * np.abs(weights.reshape(len(weights), -1).astype(np.int64)).sum(axis=1) + 1
    wanted = 100 / np.sqrt(reach.mean() * 2000) * np.exp(rng.uniform(-1, 1, len(weights)))
    if extreme:
        wanted = np.exp2(rng.uniform(-34, np.log2(2.0**30 / reach)))
    scale_in = np.float32(np.exp(rng.uniform(-7, 2)))
    scale_out = np.float32(np.exp(rng.uniform(-7, 2)))
    return scale_in, (wanted * scale_out / scale_in).astype(np.float32), scale_out


@st.composite
def conv_cases(
    draw: st.DrawFn,
    *,
    pointwise: bool = False,
    depthwise: bool = False,
    density: float = 1.0,
    channels: st.SearchStrategy[int] | None = None,  # of the input
    four_bits: bool = False,
) -> ConvCase:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    padding = draw(st.sampled_from(["VALID"] if pointwise else ["SAME", "VALID", None]))
    kernel = (1, 1) if pointwise else draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    strides = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilation = (1, 1)
    if strides == (1, 1) and not pointwise:
        dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    size = draw(st.tuples(st.integers(1, 12), st.integers(1, 14)))
    axes = [window_of(padding or "SAME", *axis) for axis in zip(kernel, size, strides, dilation, strict=True)]
    if padding is None:  # any padding in front, and as many positions as still see the map
        pads = [draw(st.integers(0, (k - 1) * d)) for k, d in zip(kernel, dilation, strict=True)]
        axes = [(draw(st.integers(1, (n + p - 1) // s + 1)), p) for n, p, s in zip(size, pads, strides, strict=True)]
    if min(out for out, _ in axes) < 1:  # a window larger than the map
        kernel, dilation, padding = (1, 1), (1, 1), "VALID"
        axes = [window_of("VALID", 1, n, s, 1) for n, s in zip(size, strides, strict=True)]
    window = Window(kernel, (axes[0][0], axes[1][0]), strides, dilation, (axes[0][1], axes[1][1]))

    # Sparse kernels like whole bytes.
    any_channels = st.one_of(st.integers(1, 20), st.sampled_from([8, 16, 24]))
    c_in = draw(any_channels if channels is None else channels)
    c_out = c_in * draw(st.integers(1, 3)) if depthwise else draw(st.integers(1, 9))
    lowest, highest = (LOWEST, HIGHEST) if four_bits else (-127, 127)
    weights = rng.integers(lowest, highest + 1, (*kernel, c_out) if depthwise else (c_out, *kernel, c_in)).astype(
        np.int8
    )
    weights[rng.random(weights.shape) >= density] = 0
    bias = rng.integers(-(2 ** draw(st.integers(0, 20))), 2 ** draw(st.integers(0, 20)), c_out).astype(np.int32)
    if draw(st.booleans()):  # a channel without weights, whose bias the converter blows up
        weights[(..., 0) if depthwise else 0] = 0
        bias[0] = draw(st.sampled_from([2**30, -(2**30), 2**31 - 1, -932235968]))
    zero_in = draw(st.integers(-128, 127))
    by_channel = np.moveaxis(weights, 2, 0) if depthwise else weights
    scales = random_scales(rng, by_channel, bias, zero_in, draw(st.booleans()))
    case = ConvCase(
        rng.integers(-128, 128, (*size, c_in)).astype(np.int8),
        weights,
        bias,
        window,
        padding,
        *scales,
        zero_in,
        draw(st.integers(-128, 127)),
    )
    if draw(st.booleans()):  # scales that two bytes a channel tell
        case = replace(case, scale_weights=rounded(case.scale_weights.astype(np.float64)).astype(np.float32))
    if draw(st.booleans()):
        per_tensor = np.float32([case.scale_weights.min()])
        case = replace(case, scale_weights=per_tensor)
    return case
