"""A TFLite file as a list of operators over tensors: what counting, arena planning and cost models read."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compiler.tflite import flatbuffer

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """shape with 1 for a free batch; `scale` 0 where it is not quantized, the first of several where per channel;
    `bits` of a stored value where they are fewer than those of `dtype`, else 0."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    constant: bool
    scale: float = 0.0
    zero_point: int = 0
    bits: int = 0

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Of its values, stored dense."""
        return self.elements * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator; inputs and outputs are indices of tensors (absent optional inputs left out).

    activated   an activation is fused into it.
    """

    code: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    macs: int
    activated: bool = False


@dataclass(frozen=True, slots=True)
class Graph:
    """The main subgraph, operators in the order of execution."""

    tensors: tuple[TensorInfo, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(op.macs for op in self.operators)


@functools.lru_cache(maxsize=8)
def read_graph(tflite: bytes) -> Graph:
    """The operators and tensors of a TFLite file. Raises BadInput where it is none."""
    model = flatbuffer.read(tflite)
    main = flatbuffer.subgraph(model)
    made = {int(index) for _, op in flatbuffer.operators(model) for index in op.outputs}
    made.update(int(index) for index in main.inputs)
    tensors = []
    for index, tensor in enumerate(main.tensors):
        shape = tuple(max(1, n) for n in flatbuffer.shape_of(tensor))
        dtype = flatbuffer.DTYPES.get(tensor.type, np.dtype("i1"))
        scale, zero_point = quantization_of(tensor)
        name, bits = flatbuffer.text(tensor.name), 4 if tensor.type == schema.TensorType.INT4 else 0
        tensors.append(TensorInfo(name, shape, dtype, index not in made, scale, zero_point, bits))
    operators = []
    for code, op in flatbuffer.operators(model):
        inputs = tuple(int(index) for index in op.inputs if index >= 0)
        outputs = tuple(int(index) for index in op.outputs)
        activated = bool(getattr(op.builtinOptions, "fusedActivationFunction", 0))
        operators.append(Operator(code, inputs, outputs, count_macs(code, inputs, outputs, tensors), activated))
    return Graph(tuple(tensors), tuple(operators), tuple(map(int, main.inputs)), tuple(map(int, main.outputs)))


def quantization_of(tensor: Any) -> tuple[float, int]:
    """(scale, zero point) of a tensor, of its first channel where it has several; (0, 0) without quantization."""
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or len(quantization.scale) == 0:
        return 0.0, 0
    points = quantization.zeroPoint
    return float(quantization.scale[0]), 0 if points is None or len(points) == 0 else int(points[0])


def count_macs(code: str, inputs: tuple[int, ...], outputs: tuple[int, ...], tensors: list[TensorInfo]) -> int:
    """Multiply-accumulates of one operator: convolutions and matrix products, everything else counts 0.

    TFLite's layouts: CONV_2D kernels OHWI, DEPTHWISE_CONV_2D 1HWC, FULLY_CONNECTED OI.
    """
    if code not in CONVOLUTIONS:
        return 0
    result = math.prod(tensors[outputs[0]].shape)
    kernel = tensors[inputs[1]].shape
    if code == "DEPTHWISE_CONV_2D":
        return result * kernel[1] * kernel[2]
    if code == "TRANSPOSE_CONV":  # every input value meets every weight of its channel
        return math.prod(tensors[inputs[2]].shape) * math.prod(kernel[:3])
    return result * math.prod(kernel[1:])


def without_softmax(tflite: bytes) -> bytes:
    """The same network with its int8 logits as outputs, where an output is a SOFTMAX, converted behind it or not; the
    file itself where there is none."""
    graph = read_graph(tflite)
    made_by = {output: i for i, op in enumerate(graph.operators) for output in op.outputs}
    instead: dict[int, int] = {}
    cut: set[int] = set()
    for output in graph.outputs:
        behind = []
        index = made_by.get(output)
        while index is not None and graph.operators[index].code in ("QUANTIZE", "DEQUANTIZE"):
            behind.append(index)
            index = made_by.get(graph.operators[index].inputs[0])
        if index is not None and graph.operators[index].code == "SOFTMAX":
            instead[output] = graph.operators[index].inputs[0]
            cut.update((*behind, index))
    if not cut:
        return tflite
    model = flatbuffer.read(tflite)
    main = flatbuffer.subgraph(model)
    main.outputs = np.asarray([instead.get(int(output), int(output)) for output in main.outputs], np.int32)
    main.operators = [op for i, op in enumerate(main.operators) if i not in cut]
    for signature in model.signatureDefs or ():
        for named in signature.outputs or ():
            named.tensorIndex = instead.get(int(named.tensorIndex), named.tensorIndex)
    return flatbuffer.write(model)


def output_steps(tflite: bytes) -> tuple[float, ...]:
    """Quantization step of each output: its own, or, of a float output, that of the tensor it is dequantized from."""
    graph = read_graph(tflite)
    source = {op.outputs[0]: op.inputs[0] for op in graph.operators if op.code == "DEQUANTIZE"}
    return tuple(graph.tensors[source.get(output, output)].scale for output in graph.outputs)
