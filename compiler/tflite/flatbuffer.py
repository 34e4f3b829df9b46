"""A .tflite file as plain Python objects, and back.

The schema is the one that `ai_edge_litert` generates beside its interpreter: it has flatc's object API (the `tflite`
package has only the accessors), it is the schema of the very runtime that checks our files, and it imports nothing
but flatbuffers and numpy.

Writing is our own in three respects, for which generated Python code has no notion:

* Equal strings, vectors and tables are written once and shared by offset. A flatbuffer is a directed acyclic graph
  of relative offsets (FlatBuffers internals, https://flatbuffers.dev/internals/), so a reader cannot tell a shared
  part from a copy. An int8 network repeats itself a lot: all-zero zero points, options, shapes, zero biases.
* A table's fields are laid out widest first, which needs the least padding.
* `Buffer.data` starts at a multiple of 16 bytes, which the schema demands (`force_align: 16`) and kernels that read
  weights in place rely on.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Iterator
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compiler.errors import BadInput
from compiler.tflite.nibbles import unpack_nibbles

IDENTIFIER = b"TFL3"
DATA_ALIGNMENT = 16

# TensorType → numpy; the types that networks of this compiler can hold.
DTYPES: dict[int, np.dtype] = {
    schema.TensorType.FLOAT32: np.dtype("<f4"),
    schema.TensorType.FLOAT16: np.dtype("<f2"),
    schema.TensorType.FLOAT64: np.dtype("<f8"),
    schema.TensorType.INT8: np.dtype("i1"),
    schema.TensorType.UINT8: np.dtype("u1"),
    schema.TensorType.INT16: np.dtype("<i2"),
    schema.TensorType.UINT16: np.dtype("<u2"),
    schema.TensorType.INT32: np.dtype("<i4"),
    schema.TensorType.UINT32: np.dtype("<u4"),
    schema.TensorType.INT64: np.dtype("<i8"),
    schema.TensorType.BOOL: np.dtype("?"),
    schema.TensorType.INT4: np.dtype("i1"),  # as `tensor_array` has it; stored, it is two to a byte
}

_OPERATOR_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}


def read(tflite: bytes) -> schema.ModelT:
    """Unpack a .tflite; arrays are read-only views into `tflite`. Raises BadInput for anything else."""
    if len(tflite) < 8 or tflite[4:8] != IDENTIFIER:
        raise BadInput("this is not a TFLite file (it lacks the identifier TFL3): give one that a converter wrote")
    try:
        model = schema.ModelT.InitFromPackedBuf(bytes(tflite), 0)
    except (struct.error, LookupError, ValueError, TypeError, AttributeError, MemoryError) as error:
        raise BadInput(f"this TFLite file is damaged or cut off ({error}): write it again") from error
    if not model.subgraphs or not model.buffers:
        raise BadInput("this TFLite file is empty: it has no graph or no buffers; write it again")
    return model


def write(model: schema.ModelT) -> bytes:
    """Pack a model: deterministic, buffers aligned, equal parts shared."""
    builder = _SharingBuilder(1 << 16)
    packed = schema.ModelT(**vars(model))
    packed.buffers = [_AlignedBuffer(b.data) for b in model.buffers]
    builder.Finish(packed.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def subgraph(model: schema.ModelT) -> schema.SubGraphT:
    """The main graph."""
    return model.subgraphs[0]


def text(name: bytes | str | None) -> str:
    """A flatbuffer string as Python has it."""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else (name or "")


def operator_name(model: schema.ModelT, operator: schema.OperatorT) -> str:
    """Such as "CONV_2D"; a custom operator's own name."""
    code = model.operatorCodes[operator.opcodeIndex]
    # Codes above 127 do not fit the old int8 field, which then holds a placeholder: the larger one counts.
    builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
    if builtin == schema.BuiltinOperator.CUSTOM:
        return text(code.customCode) or "CUSTOM"
    return _OPERATOR_NAMES.get(builtin, f"BUILTIN_{builtin}")


def operators(model: schema.ModelT) -> Iterator[tuple[str, schema.OperatorT]]:
    """(name, operator) of the main graph in execution order."""
    for operator in subgraph(model).operators or ():
        yield operator_name(model, operator), operator


def readers(model: schema.ModelT) -> Counter[int]:
    """By how many operators of the main graph each tensor is read; an input of an operator that reads it twice counts
    twice."""
    return Counter(int(index) for _, operator in operators(model) for index in operator.inputs)


def custom_operators(model: schema.ModelT) -> Iterator[str]:
    """Names of operators that are no builtins, SELECT_TF_OPS (Flex…) among them."""
    for name, operator in operators(model):
        code = model.operatorCodes[operator.opcodeIndex]
        if max(code.builtinCode, code.deprecatedBuiltinCode) == schema.BuiltinOperator.CUSTOM:
            yield name


def float_operators(model: schema.ModelT, *, borders: bool = False) -> Iterator[str]:
    """Names of operators that read or write a float tensor. `borders` allows the QUANTIZE and DEQUANTIZE that stand
    between float inputs and outputs of the graph and its int8 inside."""
    floats = {schema.TensorType.FLOAT16, schema.TensorType.FLOAT32, schema.TensorType.FLOAT64}
    graph = subgraph(model)
    for name, operator in operators(model):
        if borders and name in ("QUANTIZE", "DEQUANTIZE"):
            continue
        touched = [i for i in (*operator.inputs, *operator.outputs) if i >= 0]
        if any(graph.tensors[i].type in floats for i in touched):
            yield name


def tensor_array(model: schema.ModelT, tensor: schema.TensorT) -> np.ndarray | None:
    """A constant tensor's contents in its own shape (flat where it is stored sparse), int8 where it is stored in four
    bits; None if it is not constant."""
    data = model.buffers[tensor.buffer].data
    if data is None or len(data) == 0:
        return None
    if tensor.type == schema.TensorType.INT4:
        return unpack_nibbles(np.asarray(data, np.uint8))[: math.prod(shape_of(tensor))].reshape(shape_of(tensor))
    array = np.asarray(data, np.uint8).view(DTYPES[tensor.type])
    return array if tensor.sparsity is not None else array.reshape(shape_of(tensor))


def shape_of(tensor: schema.TensorT) -> tuple[int, ...]:
    return () if tensor.shape is None else tuple(int(n) for n in tensor.shape)


def add_buffer(model: schema.ModelT, array: np.ndarray) -> int:
    """Append a buffer with the bytes of `array`; returns its index."""
    data = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)
    model.buffers.append(schema.BufferT(data=data))
    return len(model.buffers) - 1


def add_operator_code(model: schema.ModelT, builtin: int, version: int = 1) -> int:
    """Index of the operator code `builtin`, added if the model has none yet."""
    for index, code in enumerate(model.operatorCodes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == builtin:
            return index
    model.operatorCodes.append(
        schema.OperatorCodeT(builtinCode=builtin, deprecatedBuiltinCode=min(builtin, 127), version=version)
    )
    return len(model.operatorCodes) - 1


class _AlignedBuffer(schema.BufferT):
    """A `Buffer` whose data vector is packed at a multiple of 16 bytes."""

    def Pack(self, builder: _SharingBuilder) -> int:
        data = None
        if self.data is not None and len(self.data):
            data = builder.create_aligned_bytes(np.asarray(self.data, np.uint8).tobytes())
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


class _SharingBuilder(flatbuffers.Builder):
    """A flatbuffers Builder that hash-conses: asked to write what it has written, it returns the first offset.

    Offsets count from the end of the buffer, so they stay valid while it grows, and a table or a vector of tables is
    identified by the offsets it holds. Tables are written only when they end, which gives the choice of layout.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._written: dict[Any, int] = {}
        self._fields: list[tuple[int, Any, Any]] = []  # (slot, number type or None for an offset, value)
        self._offsets: list[int] | None = None  # that the vector under way holds; None: its owner does the sharing
        self._element_size = 1
        self._vector_start = 0

    def StartObject(self, numfields: int) -> None:
        super().StartObject(numfields)
        self._fields = []

    def PrependSlot(self, flags: Any, o: int, x: Any, d: Any) -> None:
        if x != d:
            self._fields.append((o, flags, x))

    def PrependUOffsetTRelativeSlot(self, o: int, x: int, d: int) -> None:
        if x != d:
            self._fields.append((o, None, x))

    def EndObject(self) -> int:
        key = tuple((slot, flags, repr(value)) for slot, flags, value in self._fields)
        if key in self._written:
            self.nested = False
            return self._written[key]
        for slot, flags, value in sorted(self._fields, key=lambda f: -_width(f[1])):
            if flags is None:
                super().PrependUOffsetTRelativeSlot(slot, value, None)
            else:
                super().PrependSlot(flags, slot, value, None)
        return self._written.setdefault(key, super().EndObject())

    def CreateString(self, s: str | bytes, encoding: str = "utf-8", errors: str = "strict") -> int:
        key = s.encode(encoding, errors) if isinstance(s, str) else bytes(s)
        if key not in self._written:
            self._offsets = None
            self._written[key] = super().CreateString(key)
        return self._written[key]

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:
        self._offsets = []
        self._vector_start = self.Offset()
        self._element_size = elemSize
        return super().StartVector(elemSize, numElems, alignment)

    def PrependUOffsetTRelative(self, off: int) -> None:
        if self._offsets is not None:
            self._offsets.append(off)
        super().PrependUOffsetTRelative(off)

    def EndVector(self, numElems: int | None = None) -> int:
        if self._offsets is None:
            return super().EndVector()
        size = self.vectorNumElems * self._element_size
        content = tuple(self._offsets) or bytes(self.Bytes[self.Head() : self.Head() + size])
        key = ("vector", self._element_size, content)
        if key in self._written:
            self.nested = False
            self.head = len(self.Bytes) - self._vector_start
            return self._written[key]
        return self._written.setdefault(key, super().EndVector())

    def create_aligned_bytes(self, data: bytes) -> int:
        """A byte vector whose first byte lies at a multiple of `DATA_ALIGNMENT`."""
        key = ("aligned", data)
        if key not in self._written:
            self.StartVector(1, len(data), DATA_ALIGNMENT)
            start = self.Head() - len(data)
            self.Bytes[start : start + len(data)] = data
            self.head = start
            self._offsets = None
            self._written[key] = self.EndVector()
        return self._written[key]


def _width(flags: Any) -> int:
    return 4 if flags is None else flags.bytewidth
