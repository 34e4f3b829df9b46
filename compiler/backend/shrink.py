"""Everything in a .tflite that no runtime needs, or that stands in it twice, taken out; outputs stay bit-identical.

What an int8 file holds beside weights and biases is mostly repetition: a zero point for every channel (all zero), the
same shapes, options and scales again and again, an empty buffer for every activation. `flatbuffer.write` shares equal
parts. Before that, this pass makes parts equal that may be: buffers with the same bytes become one, constants that say
the same become one tensor, and so do names that nothing looks up. And it drops what inference does not read: recorded
minima and maxima, operator codes and tensors that no operator uses, the names of tensors that are neither input nor
output.

The converter gives every convolution without a bias one of zeros. Zero is zero at any scale, and a convolution takes
its multipliers from the scales of input, kernel and output, so all such biases of one length become one tensor.
FULLY_CONNECTED compares its bias' scale with the others', and keeps its own.

What stays, because some reader fails or computes differently without it: a bias, even of zeros, for every convolution;
a zero point for every scale; the scale of a bias; a name, if an empty one, on every tensor, and a list of metadata, if
an empty one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compiler.errors import BadInput
from compiler.tflite import flatbuffer


def shrink(tflite: bytes, *, strip: bool = False) -> bytes:
    """The same network in fewer bytes; never more than were given.

    strip   also drop signatures, metadata, the description, and what inputs and outputs were called.

    Raises BadInput for a file that is no TFLite, or that keeps its weights outside of the flatbuffer.
    """
    model = flatbuffer.read(tflite)
    if any(buffer.offset > 1 for buffer in model.buffers) or model.externalBuffers:
        raise BadInput(
            "this TFLite file keeps weights outside of its flatbuffer: give one of less than 2 GB, in one file"
        )
    if strip:
        model.signatureDefs = model.metadataBuffer = model.description = None
        model.metadata = []
    model.metadata = model.metadata or []  # absent, it ends xmos-ai-tools' TFLite Micro with a segmentation fault
    for graph in model.subgraphs:
        _shorten_names(graph, strip)
        for tensor in graph.tensors:
            _drop_unread(tensor)
        for operator in graph.operators or ():
            _drop_empty(operator)
    _merge_operator_codes(model)
    _drop_unused_tensors(model)
    _merge_buffers(model)
    for graph in model.subgraphs:
        _merge_constants(model, graph)
    _drop_unused_tensors(model)
    packed = flatbuffer.write(model)
    return packed if len(packed) < len(tflite) else tflite


def _shorten_names(graph: schema.SubGraphT, strip: bool) -> None:
    """One empty name for all tensors that nobody finds by name; xcore-opt wants one on inputs and outputs."""
    borders = (("input", _indices(graph.inputs)), ("output", _indices(graph.outputs)))
    kept = {int(i): f"{kind}_{n}" for kind, indices in borders for n, i in enumerate(indices)}
    for index, tensor in enumerate(graph.tensors):
        if strip or index not in kept:
            tensor.name = kept.get(index, "")


def _drop_unread(tensor: schema.TensorT) -> None:
    if tensor.quantization is not None:
        # What calibration saw; kernels read scale and zero point.
        tensor.quantization.min = tensor.quantization.max = None
    if tensor.shapeSignature is not None and np.array_equal(tensor.shapeSignature, _indices(tensor.shape)):
        tensor.shapeSignature = None  # no dimension is free, so it says what the shape says


def _drop_empty(operator: schema.OperatorT) -> None:
    if not len(_indices(operator.intermediates)):
        operator.intermediates = None
    if not np.any(_indices(operator.mutatingVariableInputs)):
        operator.mutatingVariableInputs = None


def _merge_operator_codes(model: schema.ModelT) -> None:
    """Codes in the order of their first operator, each once."""
    codes: dict[tuple, int] = {}
    kept: list[schema.OperatorCodeT] = []
    for graph in model.subgraphs:
        for operator in graph.operators or ():
            code = model.operatorCodes[operator.opcodeIndex]
            key = (code.builtinCode, code.deprecatedBuiltinCode, code.customCode, code.version)
            if key not in codes:
                codes[key] = len(kept)
                kept.append(code)
            operator.opcodeIndex = codes[key]
    model.operatorCodes = kept


def _merge_buffers(model: schema.ModelT) -> None:
    """Buffers that something refers to, each content once, behind the empty one that TFLite wants first."""
    old = model.buffers
    kept = [schema.BufferT()]
    places: dict[bytes, int] = {b"": 0}

    def place(index: int) -> int:
        data = old[index].data
        key = b"" if data is None else np.asarray(data, np.uint8).tobytes()
        if key not in places:
            places[key] = len(kept)
            kept.append(old[index])
        return places[key]

    for holder in _buffer_holders(model):
        holder.buffer = place(holder.buffer)
    if model.metadataBuffer is not None:
        model.metadataBuffer = np.array([place(int(i)) for i in model.metadataBuffer], np.int32)
    model.buffers = kept


def _merge_constants(model: schema.ModelT, graph: schema.SubGraphT) -> None:
    """Let operators refer to one tensor where several constants have the same bytes, shape, type and scales."""
    zero_biases = _zero_biases(model, graph)
    fixed = {int(i) for i in (*_indices(graph.inputs), *_indices(graph.outputs))}
    places: dict[tuple, int] = {}
    merged = {}
    for index, tensor in enumerate(graph.tensors):
        if tensor.buffer == 0 or tensor.isVariable or tensor.sparsity is not None or index in fixed:
            continue
        scales = "any" if index in zero_biases else _scales(tensor)
        key = (tensor.buffer, tensor.type, flatbuffer.shape_of(tensor), flatbuffer.text(tensor.name), scales)
        merged[index] = places.setdefault(key, index)
    for operator in graph.operators or ():
        operator.inputs = np.array([merged.get(int(i), int(i)) for i in _indices(operator.inputs)], np.int32)


def _zero_biases(model: schema.ModelT, graph: schema.SubGraphT) -> set[int]:
    """Tensors that serve as bias of convolutions, and nothing else, and hold zeros."""
    biases: set[int] = set()
    others: set[int] = set()
    for operator in graph.operators or ():
        is_convolution = flatbuffer.operator_name(model, operator) in ("CONV_2D", "DEPTHWISE_CONV_2D")
        for position, index in enumerate(_indices(operator.inputs)):
            (biases if is_convolution and position == 2 else others).add(int(index))
    zeros = set()
    for index in biases - others - {-1}:
        array = flatbuffer.tensor_array(model, graph.tensors[index])
        if array is not None and not array.any():
            zeros.add(index)
    return zeros


def _scales(tensor: schema.TensorT) -> tuple | None:
    quantization = tensor.quantization
    if quantization is None:
        return None
    vectors = (_indices(quantization.scale), _indices(quantization.zeroPoint))
    return (*(v.tobytes() for v in vectors), quantization.quantizedDimension)


def _drop_unused_tensors(model: schema.ModelT) -> None:
    for number, graph in enumerate(model.subgraphs):
        signatures = [s for s in model.signatureDefs or () if s.subgraphIndex == number]
        entries = [entry for s in signatures for entry in (*(s.inputs or ()), *(s.outputs or ()))]
        vectors = [(graph, "inputs"), (graph, "outputs")]
        for operator in graph.operators or ():
            vectors += [(operator, "inputs"), (operator, "outputs"), (operator, "intermediates")]
        used = {int(i) for holder, name in vectors for i in _indices(getattr(holder, name))}
        kept = sorted((used | {entry.tensorIndex for entry in entries}) - {-1})
        places = {-1: -1} | {old: new for new, old in enumerate(kept)}
        for holder, name in vectors:
            if getattr(holder, name) is not None:
                setattr(holder, name, np.array([places[int(i)] for i in getattr(holder, name)], np.int32))
        for entry in entries:
            entry.tensorIndex = places[entry.tensorIndex]
        graph.tensors = [graph.tensors[i] for i in kept]


def _buffer_holders(model: schema.ModelT) -> Iterator[schema.TensorT | schema.MetadataT]:
    for graph in model.subgraphs:
        yield from graph.tensors
    yield from model.metadata or ()


def _indices(vector: np.ndarray | None) -> np.ndarray:
    return np.zeros(0, np.int32) if vector is None else np.asarray(vector)
