"""Random streams: chains of convolutions with sums of what they read before, as layers and blocks become, and an
average at the end of some."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import pointer
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from compiler.backend.targets.c.operators import add as add_operator
from compiler.backend.targets.c.operators.conv import Conv
from compiler.backend.targets.c.operators.pool import Pool
from compiler.backend.targets.c.operators.stream import Stage, Stream, stream
from compiler.backend.targets.c.pack_weights import Packed
from kernels.reference.add import AddFactors, add, add_factors
from kernels.reference.pool import average_pool
from kernels.reference.stream import streamed
from kernels.reference.window import Window
from tests.kernels.clib import AVERAGE, CONV, SUM, Add, Kept, StreamParams, StreamStage
from tests.kernels.clib import Pool as pool_struct
from tests.kernels.conv_case import ConvCase, random_scales, scratch_of, window_of

KERNELS = (
    "conv2d_dense_s8",
    "conv2d_coded_s8",
    "conv2d_sparse_bitmap_s8",
    "conv2d_sparse_planar_s8",
    "conv2d_sparse_block_s8",
)


@dataclass(frozen=True)
class Sum:
    """a + b of two maps of `shape`."""

    shape: tuple[int, int, int]
    factors: AddFactors
    zeros: dict[str, int]


@dataclass(frozen=True)
class Average:
    """Over all positions of a map of `shape`."""

    shape: tuple[int, int, int]

    @property
    def window(self) -> Window:
        return Window(self.shape[:2], (1, 1))


@dataclass(frozen=True)
class StreamCase:
    """`stages`: (convolution or sum, what it reads: 0 x, i + 1 stage i, the row kernel of a convolution)."""

    x: np.ndarray
    stages: tuple[tuple[ConvCase | Sum | Average, tuple[int, ...], str], ...]

    def expected(self) -> np.ndarray:
        return streamed(self.x, [(computed(stage), sources) for stage, sources, _ in self.stages])

    def node(self) -> Stream:
        """Values are numbered as sources are."""
        nodes: list[Stage] = []
        for index, (stage, sources, _) in enumerate(self.stages):
            if isinstance(stage, ConvCase):
                nodes.append(replace(conv_node(stage), inputs=sources, output=index + 1))
            elif isinstance(stage, Average):
                shape = stage.shape
                nodes.append(Pool("average", sources, index + 1, "average_pool_s8", shape, stage.window, (-128, 127)))
            else:
                zeros = tuple(stage.zeros.values())
                size = int(np.prod(stage.shape))
                nodes.append(
                    add_operator.Add("sum", sources, index + 1, size, stage.factors, zeros, (-128, 127), {})  # type: ignore[arg-type]
                )
        return stream(nodes, 0)

    def gap(self) -> np.ndarray:
        """What any of the row kernels may ask for, and not a byte more."""
        return max((scratch_of(stage) for stage, *_ in self.stages if isinstance(stage, ConvCase)), key=len)

    def struct(self, library: ctypes.CDLL, kept: Kept) -> StreamParams:
        """The C struct, rings where the node has them; `kept` owns the arrays that it points to."""
        node = self.node()
        stages = (StreamStage * len(self.stages))()
        for index, (stage, sources, kernel) in enumerate(self.stages):
            own = stages[index]
            if isinstance(stage, ConvCase):
                own.by.conv, own.kind = pointer(stage.struct(library, kernel, kept, (4, 2))), CONV
            elif isinstance(stage, Average):
                h, w, c = stage.shape
                ends = {"h_in": h, "w_in": w, "h_out": 1, "w_out": 1, "c": c, "k_h": h, "k_w": w}
                own.by.average, own.kind = pointer(pool_struct(**ends, min=-128, max=127)), AVERAGE
            else:
                own.by.sum, own.kind = pointer(add_struct(stage)), SUM
            own.row_bytes, own.ring = node.row_bytes(index), node.rings[index]
            own.ring_rows, own.height = node.walk.rings[index], node.heights[index + 1]
            own.source, own.beside = sources[0], sources[1] if len(sources) > 1 else 0
        return StreamParams(stages=stages, row_bytes=node.row_in, count=len(self.stages))


def conv_node(case: ConvCase) -> Conv:
    return Conv(
        "conv",
        (0,),
        1,
        (case.x.shape[0], case.x.shape[1], case.x.shape[2]),
        case.c_out,
        case.window,
        case.weights,
        case.bias,
        case.stored_factors(),
        case.zero_in,
        case.zero_out,
        case.activation,
        Packed.dense(case.weights),
    )


def computed(stage: ConvCase | Sum | Average) -> Callable[..., np.ndarray]:
    if isinstance(stage, Average):
        return lambda x: average_pool(x, stage.window, (-128, 127))
    if isinstance(stage, Sum):
        return lambda a, b: add(a, b, stage.factors, **stage.zeros)
    return lambda x: replace(stage, x=x).expected()


def add_struct(stage: Sum) -> Add:
    f = stage.factors
    factors = {"multiplier_a": f.a[0], "multiplier_b": f.b[0], "multiplier_out": f.out[0]}
    shifts = {"shift_a": f.a[1], "shift_b": f.b[1], "shift_out": f.out[1]}
    return Add(**factors, **shifts, **stage.zeros, min=-128, max=127)


@st.composite
def stream_cases(draw: st.DrawFn) -> StreamCase:
    """Every stage reads the one before; some add to it an earlier map of its shape, or a convolution of one."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (draw(st.integers(1, 14)), draw(st.integers(1, 8)), draw(st.integers(1, 6)))
    shapes, zeros = [shape], [int(rng.integers(-128, 128))]
    stages: list[tuple[ConvCase | Sum | Average, tuple[int, ...], str]] = []

    def convolve(source: int, c_out: int, window: Window) -> None:
        kernel = KERNELS[int(rng.integers(len(KERNELS)))]
        zero_out = int(rng.integers(-128, 128))
        stages.append(
            (convolution(rng, shapes[source], c_out, window, zeros[source], zero_out, kernel), (source,), kernel)
        )
        shapes.append((*window.out, c_out))
        zeros.append(zero_out)

    def sum_of(a: int, b: int) -> None:
        zero = {"zero_a": zeros[a], "zero_b": zeros[b], "zero_out": 3}
        stages.append((Sum(shapes[a], add_factors(0.5, 0.8, 1.1), zero), (a, b), ""))
        shapes.append(shapes[a])
        zeros.append(3)

    for _ in range(draw(st.integers(1, 5))):
        now = len(shapes) - 1
        same = draw(st.booleans())  # a shape that can be added to what was before
        kernel = (draw(st.sampled_from([1, 3, 5])), draw(st.sampled_from([1, 3])))
        strides = (1, 1) if same else draw(st.sampled_from([(1, 1), (2, 1), (3, 2)]))
        dilation = (draw(st.integers(1, 2)), 1) if strides == (1, 1) else (1, 1)
        padding = "SAME" if same else draw(st.sampled_from(["SAME", "VALID"]))
        window = window_on(shapes[now], kernel, strides, dilation, padding)
        if min(window.out) < 1:
            window = window_on(shapes[now], kernel, strides, dilation, "SAME")
        convolve(now, shapes[now][2] if same else draw(st.integers(1, 6)), window)
        earlier = [i for i in range(len(shapes) - 1) if shapes[i] == shapes[-1]]
        of_its_size = [i for i in range(len(shapes) - 1) if shapes[i][:2] == shapes[-1][:2]]
        if earlier and draw(st.booleans()):
            sum_of(len(shapes) - 1, draw(st.sampled_from(earlier)))
        elif of_its_size and draw(st.booleans()):
            end = len(shapes) - 1
            source = draw(st.sampled_from(of_its_size))
            convolve(source, shapes[end][2], window_on(shapes[source], (3, 3), (1, 1), (1, 1), "SAME"))
            sum_of(end, len(shapes) - 1)
    if draw(st.booleans()):
        stages.append((Average(shapes[-1]), (len(shapes) - 1,), ""))
    return StreamCase(rng.integers(-128, 128, shape).astype(np.int8), tuple(stages))


def window_on(
    shape: tuple[int, int, int], kernel: tuple[int, int], strides: tuple[int, int], dilation: tuple[int, int], pad: str
) -> Window:
    (h_out, top), (w_out, left) = (
        window_of(pad, *axis) for axis in zip(kernel, shape[:2], strides, dilation, strict=True)
    )
    return Window(kernel, (h_out, w_out), strides, dilation, (top, left))


def convolution(
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    c_out: int,
    window: Window,
    zero_in: int,
    zero_out: int,
    kernel: str,
) -> ConvCase:
    most = 7 if kernel == "conv2d_coded_s8" else 126
    weights = rng.integers(-most, most + 1, (c_out, *window.kernel, shape[2])).astype(np.int8)
    if "sparse" in kernel:
        weights[rng.random(weights.shape) >= 0.3] = 0
    bias = rng.integers(-500, 500, c_out).astype(np.int32)
    scales = random_scales(rng, weights, bias, zero_in, extreme=False)
    return ConvCase(np.zeros(shape, np.int8), weights, bias, window, None, *scales, zero_in, zero_out)
