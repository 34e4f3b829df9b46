"""Inputs of the file as wide as what they may hold in use.

The converter gives an input the range of the calibration inputs. What lies beyond it is clipped, whatever the network
would have made of it; synthetic inputs, which follow a guess, need not reach as far as real ones. A wider input takes
the scale and zero point of its new range, and so does what only moves its values; a convolution that reads it counts
its bias in the new unit,

    b' = round(b · s / s')                  at the scale s' · s_w

and everything else of it stays, since its factors s' · s_w / s_out are formed from the scales at run time (Jacob et
al. 2018, arXiv:1712.05877, section 2.2).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compiler.tflite import flatbuffer
from compiler.types import Span

MOVING = (  # operators whose output has its input's scale and zero point
    "PAD", "MIRROR_PAD", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "GATHER", "SLICE", "STRIDED_SLICE",
    "MAX_POOL_2D", "AVERAGE_POOL_2D", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND",
)  # fmt: skip
BORDERS = ("QUANTIZE",)  # from the type at the border to int8
BIASED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
SCALED = ("ADD", "SUB", "MUL", "MEAN")  # which take any scale
LEVELS = {schema.TensorType.INT8: (-128, 127), schema.TensorType.UINT8: (0, 255)}
STEPS = 255
SAME = 1e-6  # of a range: nearer than this is equal


def widen_inputs(tflite: bytes, spans: Sequence[Span | None]) -> bytes:
    """The same network, each input of it at least as wide as its span, the lowest and the highest value (None: as it
    is). An input stays as it is where an operator reads it that would have to change otherwise."""
    model = flatbuffer.read(tflite)
    changed = [
        widen(model, int(index), span)
        for index, span in zip(flatbuffer.subgraph(model).inputs, spans, strict=True)
        if span is not None
    ]
    return flatbuffer.write(model) if any(changed) else tflite


def widen(model: schema.ModelT, source: int, span: Span) -> bool:
    """One input, in place; whether it changed."""
    tensors = flatbuffer.subgraph(model).tensors
    followers = of_one_scale(model, source)
    if followers is None:
        return False
    moved, readers = followers
    ranges = np.array([range_of(tensors[index]) for index in moved])
    width = float(np.max(ranges[:, 1] - ranges[:, 0]))
    if np.max(np.ptp(ranges, axis=0)) > SAME * width:
        return False
    low, high = min(span[0], float(ranges[0, 0])), max(span[1], float(ranges[0, 1]))
    if high - low <= width + width / STEPS:  # the converter moves ranges by as much, to have 0 on a step
        return False
    for index in moved:
        set_range(tensors[index], low, high)
    for operator in readers:
        count_bias(model, operator)
    return True


def of_one_scale(model: schema.ModelT, source: int) -> tuple[list[int], list[schema.OperatorT]] | None:
    """(quantized tensors that hold values of the graph input `source`, operators that read one and have a bias); None
    where something else would have to change."""
    graph = flatbuffer.subgraph(model)
    reads = flatbuffer.readers(model)
    holding, readers = [source], []
    for name, operator in flatbuffer.operators(model):
        if not any(int(index) in holding for index in operator.inputs):
            continue
        if name in MOVING or name in BORDERS:
            holding += [int(index) for index in operator.outputs]
        elif name in BIASED and int(operator.inputs[0]) in holding:
            bias = int(operator.inputs[2]) if len(operator.inputs) > 2 else -1
            if bias >= 0 and (reads[bias] != 1 or flatbuffer.tensor_array(model, graph.tensors[bias]) is None):
                return None
            readers += [operator] if bias >= 0 else []
        elif name not in SCALED:
            return None
    if set(holding[1:]) & {int(index) for index in graph.outputs}:
        return None
    moved = [index for index in holding if graph.tensors[index].type != schema.TensorType.FLOAT32]
    return (moved, readers) if moved and all(is_quantized(graph.tensors[index]) for index in moved) else None


def is_quantized(tensor: schema.TensorT) -> bool:
    """To eight bits, with one scale."""
    scale = None if tensor.quantization is None else tensor.quantization.scale
    return tensor.type in LEVELS and scale is not None and len(scale) == 1


def range_of(tensor: schema.TensorT) -> Span:
    """The lowest and the highest value of a tensor with one scale."""
    scale, zero = float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0])
    low, high = LEVELS[tensor.type]
    return scale * (low - zero), scale * (high - zero)


def set_range(tensor: schema.TensorT, low: float, high: float) -> None:
    """That range, moved by up to half a step so that 0 is on one."""
    lowest = LEVELS[tensor.type][0]
    scale = (high - low) / STEPS
    tensor.quantization.scale = np.array([scale], np.float32)
    tensor.quantization.zeroPoint = np.array([int(np.rint(lowest - low / scale))], np.int64)


def count_bias(model: schema.ModelT, operator: schema.OperatorT) -> None:
    """The operator's bias in the unit that its input's and its kernel's scales make."""
    x, kernel, bias = (flatbuffer.subgraph(model).tensors[int(index)] for index in operator.inputs[:3])
    old = np.asarray(bias.quantization.scale, np.float64)
    new = float(x.quantization.scale[0]) * np.asarray(kernel.quantization.scale, np.float64)
    values = flatbuffer.tensor_array(model, bias)
    assert values is not None, "of_one_scale has seen it"
    bias.buffer = flatbuffer.add_buffer(model, np.rint(values * (old / new)).astype(values.dtype))
    bias.quantization.scale = new.astype(np.float32)
