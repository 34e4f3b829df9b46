"""A file with float at its borders as the int8 network between them, which is what the emitted C computes."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compiler.tflite import flatbuffer


def int8_borders(tflite: bytes) -> bytes:
    """The same network without the QUANTIZE of a float input and the DEQUANTIZE of a float output; the file itself
    where it has neither."""
    model = flatbuffer.read(tflite)
    main = flatbuffer.subgraph(model)
    is_float = [tensor.type == schema.TensorType.FLOAT32 for tensor in main.tensors]
    inside: dict[int, int] = {}  # of a float tensor at a border, the int8 tensor behind it
    kept = []
    for (code, _), operator in zip(flatbuffer.operators(model), main.operators, strict=True):
        read, written = int(operator.inputs[0]), int(operator.outputs[0])
        if code == "QUANTIZE" and is_float[read] and read in main.inputs:
            inside[read] = written
        elif code == "DEQUANTIZE" and is_float[written] and written in main.outputs:
            inside[written] = read
        else:
            kept.append(operator)
    if not inside:
        return tflite
    main.operators = kept
    main.inputs = np.array([inside.get(int(i), int(i)) for i in main.inputs], np.int32)
    main.outputs = np.array([inside.get(int(i), int(i)) for i in main.outputs], np.int32)
    model.signatureDefs = None  # they name the float tensors
    return flatbuffer.write(model)
