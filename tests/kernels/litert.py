"""Networks of one int8 operator with any shapes, scales and options, run by LiteRT's reference kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from compiler.tflite import flatbuffer

TYPES = {np.dtype(np.int8): schema.TensorType.INT8, np.dtype(np.int32): schema.TensorType.INT32}


@dataclass(frozen=True)
class Fed:
    """An input of the network: shape with batch, scale and zero point."""

    shape: tuple[int, ...]
    scale: float = 1.0
    zero: int = 0


@dataclass(frozen=True)
class Fixed:
    """A constant; scale one number, one for each entry along `axis`, or None for no quantization."""

    values: np.ndarray
    scale: Any = None
    axis: int = 0


def network(
    operator: str, inputs: Sequence[Fed | Fixed], output: Fed, options: object | None = None, version: int = 1
) -> bytes:
    """A .tflite of one operator."""
    model = schema.ModelT(version=3, buffers=[schema.BufferT()], operatorCodes=[], subgraphs=[])
    graph = schema.SubGraphT(tensors=[], inputs=[], outputs=[len(inputs)], operators=[])
    model.subgraphs.append(graph)
    for index, tensor in enumerate((*inputs, output)):
        if isinstance(tensor, Fixed):
            buffer = flatbuffer.add_buffer(model, tensor.values)
            graph.tensors.append(_tensor(index, tensor.values.shape, tensor.values.dtype, buffer))
            if tensor.scale is not None:
                scales = np.atleast_1d(np.asarray(tensor.scale, np.float32))
                zeros = np.zeros(len(scales), np.int64)
                graph.tensors[-1].quantization = schema.QuantizationParametersT(
                    scale=scales, zeroPoint=zeros, quantizedDimension=tensor.axis
                )
        else:
            graph.tensors.append(_tensor(index, tensor.shape, np.dtype(np.int8), 0))
            graph.tensors[-1].quantization = schema.QuantizationParametersT(
                scale=np.float32([tensor.scale]), zeroPoint=np.int64([tensor.zero])
            )
            if index < len(inputs):
                graph.inputs.append(index)
    code = flatbuffer.add_operator_code(model, getattr(schema.BuiltinOperator, operator), version)
    made = schema.OperatorT(opcodeIndex=code, inputs=list(range(len(inputs))), outputs=[len(inputs)])
    if options is not None:
        kind = type(options).__name__.removesuffix("T")
        made.builtinOptions = options
        made.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
    graph.operators.append(made)
    return flatbuffer.write(model)


def run(tflite: bytes, *inputs: np.ndarray) -> np.ndarray:
    """The one output of a network under LiteRT's reference kernels; inputs in the graph's order."""
    interpreter = Interpreter(
        model_content=tflite, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1
    )
    interpreter.allocate_tensors()
    for detail, values in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], values.reshape(detail["shape"]))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def _tensor(index: int, shape: tuple[int, ...], dtype: np.dtype, buffer: int) -> schema.TensorT:
    return schema.TensorT(name=f"t{index}", shape=list(shape), type=TYPES[dtype], buffer=buffer)
