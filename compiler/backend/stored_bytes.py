"""What a .tflite file stores: weights, bytes, and the multiply-accumulates of its graph.

A weight tensor is a constant that enters the arithmetic: kernels, biases (zero ones too), scales and offsets that
stayed as MUL and ADD. Shapes, axes, paddings and gather indices are integers without a quantization scale and do not
count. Of a sparse tensor the values *and* the segments and indices count. Where several tensors share the same bytes
of the file, those count once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compiler.tflite import flatbuffer

_STRUCTURAL = {schema.TensorType.INT32, schema.TensorType.INT64, schema.TensorType.UINT32, schema.TensorType.BOOL}


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """params: stored weight values (of a sparse tensor, those it holds); weight_bytes: bytes of the constant weight
    tensors, indices included; file_bytes: the whole file."""

    params: int
    weight_bytes: int
    file_bytes: int


def stored_bytes(tflite: bytes) -> StoredBytes:
    """Count the stored weights of a .tflite. Raises BadInput where it is none."""
    model = flatbuffer.read(tflite)
    params: dict[int, int] = {}
    parts: dict[int, int] = {}
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            array = flatbuffer.tensor_array(model, tensor)
            if array is None or not _is_weight(tensor):
                continue
            data = model.buffers[tensor.buffer].data
            params[_address(data)] = array.size
            for part in (data, *_sparse_metadata(tensor)):
                parts[_address(part)] = part.nbytes
    return StoredBytes(params=sum(params.values()), weight_bytes=sum(parts.values()), file_bytes=len(tflite))


def leaves_out_biases(tflite: bytes) -> bool:
    """Whether a convolution or FULLY_CONNECTED has no bias, or zeros, which are stored once for each length."""
    model = flatbuffer.read(tflite)
    tensors = flatbuffer.subgraph(model).tensors
    for name, operator in flatbuffer.operators(model):
        if name in ("CONV_2D", "FULLY_CONNECTED"):
            bias = operator.inputs[2] if len(operator.inputs) > 2 else -1
            if bias < 0 or not np.any(model.buffers[tensors[bias].buffer].data):
                return True
    return False


def macs(tflite: bytes) -> int:
    """Multiply-accumulates of one inference, at the batch size the file declares, from the graph's shapes."""
    model = flatbuffer.read(tflite)
    tensors = flatbuffer.subgraph(model).tensors
    total = 0
    for name, operator in flatbuffer.operators(model):
        shapes = [flatbuffer.shape_of(tensors[i]) if i >= 0 else () for i in operator.inputs]
        output = math.prod(flatbuffer.shape_of(tensors[operator.outputs[0]]))
        match name:
            case "CONV_2D":  # OHWI; in a grouped convolution I is the channels of one group
                total += output * math.prod(shapes[1][1:])
            case "DEPTHWISE_CONV_2D":  # 1HWO
                total += output * math.prod(shapes[1][1:3])
            case "TRANSPOSE_CONV":  # output shape, OHWI, input: each input value meets every weight of its channel
                total += math.prod(shapes[2]) * math.prod(shapes[1][:3])
            case "FULLY_CONNECTED":  # (out, in)
                total += output * shapes[1][-1]
            case "BATCH_MATMUL":
                adjoint = bool(operator.builtinOptions and operator.builtinOptions.adjX)
                total += output * shapes[0][-2 if adjoint else -1]
    return total


def _is_weight(tensor: schema.TensorT) -> bool:
    quantized = tensor.quantization is not None and tensor.quantization.scale is not None
    return tensor.type not in _STRUCTURAL or (quantized and len(tensor.quantization.scale) > 0)


def _sparse_metadata(tensor: schema.TensorT) -> Iterator[np.ndarray]:
    if tensor.sparsity is None:
        return
    for level in tensor.sparsity.dimMetadata:
        for vector in (level.arraySegments, level.arrayIndices):
            if vector is not None and vector.values is not None:
                yield np.asarray(vector.values)


def _address(array: np.ndarray) -> int:
    """Where the bytes lie: `flatbuffer.read` gives views into the file, so parts that are shared have one address."""
    return array.__array_interface__["data"][0]
