"""Time of an inference, estimated from its operators: for processors that can't be run here, and for plans that are
not files yet.

    operator = start + multiply-accumulates / rate + outputs / rate         (convolutions, channels filled up)
    operator = start + bytes read and written / rate                        (everything else)

A kernel works on a grid of channels and pads the rest: 10 output channels on a grid of 16 cost 16. The second term
(rescaling, rounding, storing) is why two thin 1×1 factors around a core can cost more than the layer they replace.
Where weights stream in from flash meanwhile, an operator lasts at least as long as they do. A convolution whose kernel
is stored in few bits takes `few_bits` times as long, where that needs another kernel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from compiler.backend.targets.graph import CONVOLUTIONS, Graph, Operator


@dataclass(frozen=True, slots=True)
class Processor:
    """Rates a unit of time (`unit`), and the grid (c_in, c_out) that int8 convolutions are padded to.

    evidence   what the rates rest on, and how far off they were on networks that they were not fitted to.
    """

    unit: str
    macs: float
    depthwise_macs: float
    outputs: float
    bytes: float
    start: float
    grid: tuple[int, int]
    evidence: str
    weights: float = math.inf  # streamed bytes; while they stream, the processor works
    few_bits: float = 1.0


XNNPACK = Processor(
    "µs",
    macs=227_000,
    depthwise_macs=28_400,
    outputs=7_320,
    bytes=20_800,
    start=0.067,
    grid=(8, 16),
    evidence="Fitted to 200 pairs of chains of 1×1 and 3×3 convolutions (8² to 32² positions, 4 to 64 channels), one "
    "thread of an x86 core with AVX512-VNNI: median error 2 %, nine in ten within 5 %. On networks that it was not "
    "fitted to: ResNet-20 −11 %, ResNet-8 −5 %, DS-CNN −4 %, MobileNetV1 (wake words) −11 %. XNNPACK takes no "
    "kernels of four bits: LiteRT's own, which do, took 2.9 to 5.9 times as long in eleven shapes.",
    few_bits=4.0,
)
CORTEX_M7 = Processor(
    "cycles",
    macs=1.0,
    depthwise_macs=0.4,
    outputs=0.1,
    bytes=2.0,
    start=1000,
    grid=(4, 2),
    evidence="Armv7E-M's SMLAD makes two 16-bit products a cycle, after CMSIS-NN has widened int8 pairs (Lai, Suda and "
    "Chandra 2018, https://arxiv.org/abs/1801.06601, section 3). Nothing here was measured on a board.",
)
XCORE_THREAD = Processor(
    "cycles",
    macs=16.0,
    depthwise_macs=8.0,
    outputs=2.0,
    bytes=16.0,
    start=1000,
    grid=(32, 16),
    evidence="The vector unit makes 32 int8 products a thread cycle into 16 accumulators, every other cycle a load "
    "(XMOS, The XMOS XS3 architecture, XM-014007-PC). Nothing here was measured on a board.",
)
ETHOS_U55_128 = Processor(
    "cycles",
    macs=103.0,
    depthwise_macs=20.0,
    outputs=1.78,
    bytes=2.0,
    start=137,
    grid=(8, 8),
    weights=1.0,
    evidence="Fitted to Vela's own cycles of 112 random convolutions: median error 13 %, nine in ten within 43 %. On "
    "networks that it was not fitted to: ResNet-20 +20 %, ResNet-8 +19 %, DS-CNN +18 %, MobileNetV1 (wake words) "
    "+71 %, whose weights code to a fifth of their bytes and stream in sooner than is assumed here.",
)


def estimate_time(graph: Graph, processor: Processor) -> float:
    """Time of one inference on one thread, in the processor's unit."""
    return math.fsum(operator_time(graph, op, processor) for op in graph.operators)


def operator_time(graph: Graph, op: Operator, processor: Processor) -> float:
    """Time of one operator."""
    if op.code not in CONVOLUTIONS:
        moved = sum(graph.tensors[i].bytes for i in (*op.inputs, *op.outputs))
        return processor.start + moved / processor.bytes
    kernel = graph.tensors[op.inputs[1]].shape
    outputs = graph.tensors[op.outputs[0]].elements
    filled = outputs * padding(kernel[-1] if op.code == "DEPTHWISE_CONV_2D" else kernel[0], processor.grid[1])
    if op.code == "DEPTHWISE_CONV_2D":
        work = filled * kernel[1] * kernel[2] / processor.depthwise_macs
    else:
        work = op.macs * padding(kernel[-1], processor.grid[0]) * filled / outputs / processor.macs
    streamed = graph.tensors[op.inputs[1]].bytes / processor.weights
    times = processor.few_bits if graph.tensors[op.inputs[1]].bits else 1.0
    return max(processor.start + times * (work + filled / processor.outputs), streamed)


def padding(channels: int, grid: int) -> float:
    """Factor by which a channel count grows when it is rounded up to the grid."""
    return math.ceil(channels / grid) * grid / channels
