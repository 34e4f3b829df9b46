"""An int8 .tflite as frozen tensors and operators, checked so far that nothing behind this has to.

TFLite's layouts: maps NHWC, CONV_2D kernels OHWI, DEPTHWISE_CONV_2D kernels 1HWC, FULLY_CONNECTED kernels OI.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compiler.errors import BadInput, UnsupportedModel
from compiler.tflite import flatbuffer
from compiler.tflite.densify import densify

MOST_ELEMENTS = 2**31 - 1  # of a tensor: C indexes with int32


@dataclass(frozen=True, eq=False)
class Tensor:
    """scales: one, one for each entry along `axis`, or none where it is not quantized. values: of a constant."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    scales: tuple[float, ...] = ()
    zero: int = 0
    axis: int = 0
    values: np.ndarray | None = None

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def scale(self) -> float:
        return self.scales[0]

    @property
    def map_shape(self) -> tuple[int, int, int]:
        """(h, w, c) of a tensor with a batch axis of 1; axes that it lacks count 1."""
        inner = self.shape[1:] if len(self.shape) > 1 else self.shape
        return (1, 1, 1, *inner)[-3:]  # type: ignore[return-value]  # three by the slice


@dataclass(frozen=True, eq=False)
class Operator:
    """inputs: None for an optional one that is absent. options: the schema's table, or None."""

    code: str
    inputs: tuple[Tensor | None, ...]
    output: Tensor
    options: Any = None
    source: schema.OperatorT | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return self.output.name

    def input(self, index: int = 0) -> Tensor:
        """An input that has to be there. Refuses the operator where it isn't."""
        tensor = self.inputs[index] if index < len(self.inputs) else None
        if tensor is None:
            self.refuse(f"its input {index} is missing: write the file again")
        return tensor

    def constant(self, index: int) -> np.ndarray:
        """The values of an input that has to be a constant."""
        tensor = self.input(index)
        if tensor.values is None:
            self.refuse(f"its input {index} is computed at run time: make it a constant")
        return tensor.values

    def map(self, index: int = 0) -> Tensor:
        """An input that has to be an int8 map computed at run time, of one scale."""
        tensor = self.input(index)
        if tensor.values is not None:
            self.refuse(f"its input {index} is a constant: fold the operator into what made it")
        self.require_int8(tensor)
        return tensor

    def require_int8(self, tensor: Tensor) -> None:
        if tensor.dtype != np.int8:
            self.refuse(f"'{tensor.name}' is {tensor.dtype}: quantize the network to int8, inputs and outputs too")
        if len(tensor.scales) != 1:
            self.refuse(f"'{tensor.name}' has {len(tensor.scales)} scales: quantize it with one")

    def same_quantization(self, *tensors: Tensor) -> None:
        """Refuses the operator unless the tensors are quantized like its output."""
        for tensor in tensors:
            if (tensor.scales, tensor.zero) != (self.output.scales, self.output.zero):
                self.refuse("input and output differ in scale or zero point: quantize them alike, as TFLite asks")

    def refuse(self, reason: str) -> NoReturn:
        """Raise UnsupportedModel: what, where, why and the mend."""
        raise UnsupportedModel(f"the C target can't run {self.code} '{self.name}': {reason}")


@dataclass(frozen=True, eq=False)
class Graph:
    """The main graph between its int8 input and its int8 output, operators in the order of execution."""

    operators: tuple[Operator, ...]
    input: Tensor
    output: Tensor
    model: schema.ModelT = field(repr=False)


def read_graph(tflite: bytes) -> Graph:
    """Read a .tflite. A QUANTIZE of a float input and a DEQUANTIZE of a float output are left out: the network then
    begins and ends in int8. Raises BadInput for a damaged file, UnsupportedModel for one that has no such form."""
    model = flatbuffer.read(tflite)
    if len(model.subgraphs) != 1:
        raise UnsupportedModel(
            f"the C target runs one graph, and this file has {len(model.subgraphs)}: convert without control flow"
        )
    graph = flatbuffer.subgraph(model)
    for side, indices in (("inputs", graph.inputs), ("outputs", graph.outputs)):
        if indices is None or len(indices) != 1:
            count = 0 if indices is None else len(indices)
            raise UnsupportedModel(
                f"the C target runs networks of one input and one output; this has {count} {side}; "
                "use another --target."
            )
    tensors = {i: _tensor(model, i) for i in range(len(graph.tensors or ()))}
    operators: list[Operator] = []
    source, sink = _index(graph.inputs[0], tensors), _index(graph.outputs[0], tensors)
    for code, operator in flatbuffer.operators(model):
        outputs = [] if operator.outputs is None else list(operator.outputs)
        if len(outputs) != 1:
            raise UnsupportedModel(f"the C target can't run {code}: it has {len(outputs)} outputs, not one")
        inputs = [] if operator.inputs is None else list(operator.inputs)
        read = tuple(None if i == -1 else tensors[_index(i, tensors)] for i in inputs)
        made = Operator(code, read, tensors[_index(outputs[0], tensors)], operator.builtinOptions, operator)
        if code == "DENSIFY":
            tensors[made.output.index] = _densified(made)
        elif code == "QUANTIZE" and made.input().index == source and made.input().dtype == np.float32:
            source = made.output.index
        elif code == "DEQUANTIZE" and made.output.index == sink and made.output.dtype == np.float32:
            sink = made.input().index
        else:
            operators.append(made)
    return Graph(tuple(operators), tensors[source], tensors[sink], model)


def _densified(operator: Operator) -> Tensor:
    """The constant that a DENSIFY would unpack."""
    sparse, dense = operator.input(), operator.output
    if sparse.values is None or sparse.dtype != np.int8:
        operator.refuse("only an int8 constant can be unpacked; store the tensor dense")
    if sparse.shape != dense.shape:
        operator.refuse(f"its input is {sparse.shape} and its output {dense.shape}; store the tensor dense")
    return replace(dense, dtype=sparse.dtype, values=sparse.values)


def _index(index: int, tensors: dict[int, Tensor]) -> int:
    if int(index) not in tensors:
        raise BadInput(f"this TFLite file is damaged: it has no tensor {index}; write it again")
    return int(index)


def _tensor(model: schema.ModelT, index: int) -> Tensor:
    tensor = flatbuffer.subgraph(model).tensors[index]
    name = flatbuffer.text(tensor.name) or f"tensor {index}"
    shape = flatbuffer.shape_of(tensor)
    if any(n < 1 for n in shape):
        raise UnsupportedModel(f"'{name}' has the shape {shape}, which is not fixed: give every size when converting")
    if math.prod(shape) > MOST_ELEMENTS:
        raise UnsupportedModel(f"'{name}' has {math.prod(shape)} values, and C indexes with int32: make it smaller")
    if tensor.type not in flatbuffer.DTYPES:
        raise UnsupportedModel(f"'{name}' has a type that the C target doesn't know: quantize the network to int8")
    scales, zero, axis = _quantization(name, tensor)
    return Tensor(
        index, name, shape, flatbuffer.DTYPES[tensor.type], scales, zero, axis, _values(model, name, tensor, shape)
    )


def _values(model: schema.ModelT, name: str, tensor: schema.TensorT, shape: tuple[int, ...]) -> np.ndarray | None:
    if not 0 <= tensor.buffer < len(model.buffers):
        raise BadInput(f"this TFLite file is damaged: '{name}' has no buffer {tensor.buffer}; write it again")
    try:
        values = flatbuffer.tensor_array(model, tensor)
    except ValueError as error:
        raise BadInput(f"this TFLite file is damaged: '{name}' is not as long as its shape; write it again") from error
    if values is None or tensor.sparsity is None:
        return values
    return densify(values, tensor.sparsity, shape, name)


def _quantization(name: str, tensor: schema.TensorT) -> tuple[tuple[float, ...], int, int]:
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or len(quantization.scale) == 0:
        return (), 0, 0
    scales = tuple(float(s) for s in np.asarray(quantization.scale, np.float32))
    if not all(math.isfinite(s) and s > 0 for s in scales):
        raise UnsupportedModel(f"'{name}' has a scale that is not a positive number: quantize it again")
    zeros = np.zeros(1, np.int64) if quantization.zeroPoint is None else np.asarray(quantization.zeroPoint)
    if len(scales) > 1 and np.any(zeros):
        raise UnsupportedModel(f"'{name}' has zero points by channel: quantize its kernel symmetrically")
    zero = int(zeros[0]) if len(zeros) else 0
    if flatbuffer.DTYPES[tensor.type] == np.int8 and not -128 <= zero <= 127:
        raise UnsupportedModel(f"'{name}' has the zero point {zero}, which is not int8: quantize it again")
    return scales, zero, int(quantization.quantizedDimension)
