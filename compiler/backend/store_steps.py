"""Convolution kernels of few bits, stored as the steps that they are made of.

The converter knows int8 only: of a column s·n, n in −7 … 7, whose largest weight is N s, it writes round(127 n / N)
with the scale N s / 127. No two n / N share such a value, so n is found again and what is stored is the kernel itself,
exactly:

    Tensor of type INT4   two weights a byte, the first in the low half; scale s = 127/N of what the converter wrote
    Bias                  int32 at the scale of input · s: N/127 of what it was, rounded at half a unit of the sum

or, where the target's tool codes the values itself, of type INT8. A kernel with any other value stays as it is.
TFLite's runtimes expand INT4, so it saves the file and the download, not RAM or time.
https://ai.google.dev/edge/litert: the schema's TensorType.INT4, and CONV_2D from version 7 on.
"""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compiler.backend.sparse_format import encode, smallest
from compiler.backend.sparsify import OVERHEAD_BYTES
from compiler.decompose.best_scale import LARGEST
from compiler.tflite import flatbuffer
from compiler.tflite.nibbles import pack_nibbles

VERSION = 7  # of CONV_2D: int8 activations with int4 filters


def store_steps(tflite: bytes, *, in_four_bits: bool = True, or_sparse: bool = False) -> bytes:
    """The same network with every CONV_2D kernel that is made of steps stored so, `in_four_bits` or in eight;
    `or_sparse`: but for those that are smaller stored sparse, which is left to `sparsify`."""
    model = flatbuffer.read(tflite)
    tensors = flatbuffer.subgraph(model).tensors
    readers = flatbuffer.readers(model)
    for name, operator in flatbuffer.operators(model):
        if name != "CONV_2D" or len(operator.inputs) < 3 or operator.inputs[2] < 0:
            continue
        kernel, bias = (tensors[i] for i in operator.inputs[1:3])
        if kernel.type != schema.TensorType.INT8 or kernel.sparsity is not None:
            continue
        values, sums = (flatbuffer.tensor_array(model, tensor) for tensor in (kernel, bias))
        found = None if values is None or sums is None else steps_of(values)
        if (
            found is None
            or (or_sparse and is_smaller_sparse(found[0]))
            or any(readers[int(i)] > 1 for i in operator.inputs[1:3])
        ):
            continue
        assert sums is not None
        steps, finer = found
        kernel.buffer = flatbuffer.add_buffer(model, pack_nibbles(steps) if in_four_bits else steps)
        kernel.type = schema.TensorType.INT4 if in_four_bits else schema.TensorType.INT8
        bias.buffer = flatbuffer.add_buffer(model, np.rint(sums / finer).astype(np.int32))
        for tensor in (kernel, bias):
            scale = np.asarray(tensor.quantization.scale, np.float64)
            tensor.quantization.scale = (scale * finer).astype(np.float32)
        if in_four_bits:
            code = model.operatorCodes[operator.opcodeIndex]
            code.version = max(code.version, VERSION)
    return flatbuffer.write(model)


def is_smaller_sparse(steps: np.ndarray) -> bool:
    """Whether a sparse encoding of the int8 kernel takes less than two weights a byte."""
    form = smallest(steps)
    return form is not None and encode(steps, form).nbytes + OVERHEAD_BYTES < -(-steps.size // 2)


def steps_of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """(n, the int8 steps in one of n for each output channel) of an OHWI int8 kernel whose channels hold
    round(127 n / N), each for an N of its own, the least that does; None where one holds other values.

    Where a channel is nearly silent beside its bias, the converter coarsens its scale until the bias fits int32: its
    largest value stays below 127, and stands for step N all the same, of the N that comes nearest.
    """
    channels = values.reshape(len(values), -1).astype(np.int32)
    largest = np.abs(channels).max(axis=1, keepdims=True)
    if not np.any(largest == 127):
        return None
    best = np.where(largest == 0, 0.0, np.inf)
    steps, finer = np.zeros(channels.shape), np.full(largest.shape, 127 / LARGEST)
    for n in range(1, LARGEST + 1):
        tried = np.rint(channels * n / np.maximum(largest, 1))
        wrong = np.abs(np.rint(tried * largest / n) - channels)
        fits = wrong.max(axis=1, keepdims=True) <= (largest < 127)
        error = np.where(fits, wrong.sum(axis=1, keepdims=True), np.inf)
        better = error < best
        steps, finer = np.where(better, tried, steps), np.where(better, largest / n, finer)
        best = np.minimum(error, best)
    if not np.all(np.isfinite(best)):
        return None
    return steps.astype(np.int8).reshape(values.shape), finer.ravel()
