"""Store kernels that are mostly zeros sparse, in a finished int8 file.

A constant kernel of a CONV_2D becomes a sparse constant in the encoding that takes the fewest bytes, and a DENSIFY in
front of the first consumer unpacks it, once, when the file is loaded (XNNPACK) or first run. The file and the download
shrink; time and RAM do not. A kernel whose sparse form would not make the *file* smaller, with the operator, the tensor
and the tables that come with it, stays dense.

FULLY_CONNECTED is left alone: LiteRT's XNNPACK delegate refuses to load a DENSIFY in front of it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compiler.backend.sparse_format import BLOCKS, Encoded, Level, encode, smallest
from compiler.tflite import flatbuffer

# What a sparse kernel adds to a shrunk file beside its arrays: an operator, a tensor, the tables of its levels
# (ResNet-20 with 18 sparse kernels: 178 each).
OVERHEAD_BYTES = 192

_VECTORS = {
    np.dtype("u1"): (schema.SparseIndexVector.Uint8Vector, schema.Uint8VectorT),
    np.dtype("<u2"): (schema.SparseIndexVector.Uint16Vector, schema.Uint16VectorT),
    np.dtype("<i4"): (schema.SparseIndexVector.Int32Vector, schema.Int32VectorT),
}


def sparsify(tflite: bytes, blocks: Iterable[tuple[int, int]] = ()) -> bytes:
    """The same network with every kernel sparse that is smaller so; outputs are bit-equal.

    blocks   sizes (b_in, b_out) to try beside the usual ones, so those that the network was pruned to.
    """
    model = flatbuffer.read(tflite)
    graph = flatbuffer.subgraph(model)
    tried = tuple(dict.fromkeys([*BLOCKS, *blocks]))
    encoded: dict[int, Encoded] = {}
    for name, operator in flatbuffer.operators(model):
        index = int(operator.inputs[1]) if name == "CONV_2D" else -1
        if index < 0 or index in encoded or graph.tensors[index].type != schema.TensorType.INT8:
            continue
        kernel = flatbuffer.tensor_array(model, graph.tensors[index])
        if kernel is None or np.count_nonzero(kernel) + OVERHEAD_BYTES >= kernel.size:
            continue
        form = smallest(kernel, tried)
        if form is None:
            continue
        candidate = encode(kernel, form)
        if candidate.nbytes + OVERHEAD_BYTES < kernel.nbytes:
            encoded[index] = candidate
    if not encoded:
        return tflite
    _insert(model, encoded)
    return flatbuffer.write(model)


def _insert(model: schema.ModelT, encoded: dict[int, Encoded]) -> None:
    """Give each dense tensor in `encoded` a sparse constant and a DENSIFY that writes it."""
    graph = flatbuffer.subgraph(model)
    densify = flatbuffer.add_operator_code(model, schema.BuiltinOperator.DENSIFY)
    operators = []
    waiting = dict(encoded)
    for operator in graph.operators:
        for index in dict.fromkeys(int(i) for i in operator.inputs):
            if index in waiting:
                source = _sparse_tensor(model, graph.tensors[index], waiting.pop(index))
                operators.append(
                    schema.OperatorT(
                        opcodeIndex=densify,
                        inputs=np.array([source], np.int32),
                        outputs=np.array([index], np.int32),
                        builtinOptionsType=schema.BuiltinOptions.DensifyOptions,
                        builtinOptions=schema.DensifyOptionsT(),
                    )
                )
        operators.append(operator)
    graph.operators = operators
    for index in encoded:
        graph.tensors[index].buffer = 0  # by TFLite's convention the empty buffer
    _empty_unused_buffers(model)


def _sparse_tensor(model: schema.ModelT, dense: schema.TensorT, encoded: Encoded) -> int:
    """Append the sparse constant that `dense` is unpacked from; returns its index."""
    form = encoded.format
    tensor = schema.TensorT(**vars(dense))
    tensor.name = f"{flatbuffer.text(dense.name)}_sparse"
    tensor.buffer = flatbuffer.add_buffer(model, encoded.values)
    tensor.sparsity = schema.SparsityParametersT(
        traversalOrder=np.array([*form.order, *range(4, len(encoded.levels))], np.int32),
        blockMap=np.array([axis for axis, _ in form.blocked_axes], np.int32) if form.blocked_axes else None,
        dimMetadata=[_metadata(level) for level in encoded.levels],
    )
    tensors = flatbuffer.subgraph(model).tensors
    tensors.append(tensor)
    return len(tensors) - 1


def _metadata(level: Level) -> schema.DimensionMetadataT:
    if level.segments is None or level.indices is None:
        return schema.DimensionMetadataT(format=schema.DimensionType.DENSE, denseSize=level.size)
    segments_type, segments = _VECTORS[level.segments.dtype]
    indices_type, indices = _VECTORS[level.indices.dtype]
    return schema.DimensionMetadataT(
        format=schema.DimensionType.SPARSE_CSR,
        arraySegmentsType=segments_type,
        arraySegments=segments(values=level.segments),
        arrayIndicesType=indices_type,
        arrayIndices=indices(values=level.indices),
    )


def _empty_unused_buffers(model: schema.ModelT) -> None:
    used = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    used |= {entry.buffer for entry in model.metadata or ()}
    for index, buffer in enumerate(model.buffers):
        if index not in used:
            buffer.data = None
