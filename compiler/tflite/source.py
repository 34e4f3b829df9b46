"""A .tflite file as a network of real numbers: what its operators mean, whatever the types that they are stored in.

A quantized number q stands for `scale · (q − zero_point)`, with one pair for the tensor or one for each index along
`quantizedDimension`; a bias without a scale of its own has that of its input times that of its kernel
(https://ai.google.dev/edge/litert/models/quantization_spec). What a quantized tensor can hold at all, `limits`, is what
its makers saw of it on their calibration data.

Operators between constants alone (shapes, half-precision or sparse weights) are worked out here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compiler.errors import BadInput, UnsupportedModel
from compiler.tflite import flatbuffer
from compiler.tflite.densify import densify
from compiler.tflite.fold_constants import fold_constants
from compiler.tflite.operator import Operator, Value

_BIASED = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}  # where the bias stands


@dataclass(frozen=True, eq=False)
class Source:
    """The main graph: operators in the order of execution, constants worked out."""

    operators: tuple[Operator, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]

    @property
    def quantized(self) -> bool:
        """Whether the network inside works on quantized numbers."""
        return any(value.limits is not None for operator in self.operators for value in operator.outputs)


def read_source(tflite: bytes) -> Source:
    """Raises BadInput for what is no whole .tflite, UnsupportedModel for types that have no real numbers here."""
    model = flatbuffer.read(tflite)
    graph = flatbuffer.subgraph(model)
    values = {i: _value(model, i) for i in range(len(graph.tensors or ()))}

    def at(indices: Sequence[int] | None) -> tuple[Value | None, ...]:
        wanted = [] if indices is None else [int(i) for i in indices]
        missing = [i for i in wanted if i not in values and i != -1]
        if missing:
            raise BadInput(f"this TFLite file is damaged: it has no tensor {missing[0]}; write it again")
        return tuple(None if i == -1 else values[i] for i in wanted)

    operators = []
    for index, raw in enumerate(graph.operators or ()):
        if not 0 <= raw.opcodeIndex < len(model.operatorCodes or ()):
            raise BadInput(f"this TFLite file is damaged: it has no operator code {raw.opcodeIndex}; write it again")
        outputs = tuple(v for v in at(raw.outputs) if v is not None)
        if not outputs:
            raise BadInput(f"this TFLite file is damaged: operator {index} makes nothing; write it again")
        kind = flatbuffer.operator_name(model, raw)
        operator = _with_bias(Operator(index, kind, at(raw.inputs), outputs, raw.builtinOptions))
        constant = fold_constants(operator)
        if constant is None:
            operators.append(operator)
        else:
            values[outputs[0].index] = replace(outputs[0], constant=constant)
    borders = [tuple(v for v in at(side) if v is not None) for side in (graph.inputs, graph.outputs)]
    if not all(borders):
        raise BadInput("this TFLite file has no inputs or no outputs: write it again")
    return Source(tuple(operators), *borders)


def _value(model: schema.ModelT, index: int) -> Value:
    tensor = flatbuffer.subgraph(model).tensors[index]
    name = flatbuffer.text(tensor.name) or f"tensor {index}"
    shape = flatbuffer.shape_of(tensor)
    if any(size < 0 for size in shape):
        raise BadInput(f"this TFLite file is damaged: '{name}' has the shape {shape}; write it again")
    if not 0 <= tensor.buffer < len(model.buffers):
        raise BadInput(f"this TFLite file is damaged: '{name}' has no buffer {tensor.buffer}; write it again")
    scale, zero, axis = _quantization(tensor, name)
    value = Value(index, name, shape, scale=scale)
    dtype = flatbuffer.DTYPES.get(tensor.type)
    data = model.buffers[tensor.buffer].data
    if scale is not None and len(scale) == 1 and dtype is not None and dtype.kind in "iu" and dtype.itemsize <= 2:
        span = np.iinfo(dtype)
        value = replace(value, limits=(float(scale[0] * (span.min - zero[0])), float(scale[0] * (span.max - zero[0]))))
    if data is None or len(data) == 0:
        return value
    if dtype is None:
        kind = next((k for k, code in vars(schema.TensorType).items() if code == tensor.type), tensor.type)
        raise UnsupportedModel(
            f"tensor '{name}' is stored as {kind}, which isn't read here; convert the network with float32, float16 or "
            "int8 weights"
        )
    try:
        stored = flatbuffer.tensor_array(model, tensor)
    except ValueError as error:
        raise BadInput(f"this TFLite file is damaged: '{name}' is not as long as its shape; write it again") from error
    assert stored is not None, "there is data"
    if tensor.sparsity is not None:
        stored = densify(stored, tensor.sparsity, shape, name)
    if scale is not None and dtype.kind in "iu":
        stored = _real(stored, scale, zero, axis, name)
    return replace(value, constant=stored.astype(np.float32) if stored.dtype.kind == "f" else stored)


def _quantization(tensor: schema.TensorT, name: str) -> tuple[np.ndarray | None, np.ndarray, int]:
    """(scales or None, zero points, the axis that they run along)."""
    found = tensor.quantization
    if found is None or found.scale is None or len(found.scale) == 0:
        return None, np.zeros(1), 0
    scale = np.asarray(found.scale, np.float64)
    if not np.all(np.isfinite(scale)) or np.any(scale < 0):
        raise BadInput(f"this TFLite file is damaged: a scale of '{name}' is no number of 0 or more; write it again")
    zero = np.zeros(1) if found.zeroPoint is None or not len(found.zeroPoint) else np.asarray(found.zeroPoint)
    return scale, np.broadcast_to(zero.astype(np.float64), scale.shape), int(found.quantizedDimension)


def _real(stored: np.ndarray, scale: np.ndarray, zero: np.ndarray, axis: int, name: str) -> np.ndarray:
    """The real numbers that quantized ones stand for."""
    if len(scale) > 1:
        if not 0 <= axis < stored.ndim or stored.shape[axis] != len(scale):
            raise BadInput(f"this TFLite file is damaged: '{name}' has {len(scale)} scales for {stored.shape} numbers")
        along = [1] * stored.ndim
        along[axis] = len(scale)
        scale, zero = scale.reshape(along), zero.reshape(along)
    return scale * (stored.astype(np.float64) - zero)


def _with_bias(operator: Operator) -> Operator:
    """The operator with a bias of integers that say no scale as real numbers."""
    place = _BIASED.get(operator.kind, math.inf)
    if place >= len(operator.inputs) or operator.inputs[int(place)] is None:
        return operator
    place = int(place)
    bias, kernel = operator.input(place), operator.input(1)
    fed = operator.input(place - 2 if operator.kind != "TRANSPOSE_CONV" else 2)
    if bias.constant is None or bias.constant.dtype.kind != "i" or fed.scale is None or kernel.scale is None:
        return operator
    real = replace(bias, constant=(bias.constant * fed.scale[0] * kernel.scale).astype(np.float32))
    return replace(operator, inputs=(*operator.inputs[:place], real, *operator.inputs[place + 1 :]))
