"""Convolution kernels whose values lie on a grid of 15 steps or fewer, stored in four bits a weight.

The converter knows int8 only: of a kernel s·n, n in −N … N, N at most 7, whose largest weight in every output channel
is ±N s, it writes round(127 n / N) with the scale N s / 127. No two n share such a value, so n is found again and what
is stored is the kernel itself, exactly:

    Tensor of type INT4   two weights a byte, the first in the low half; scale s = 127/N of what the converter wrote
    Bias                  int32 at the scale of input · s: N/127 of what it was, rounded at half a unit of the sum

A kernel with any other value stays int8. Runtimes expand it, so it saves the file and the download, not RAM or time.
https://ai.google.dev/edge/litert: the schema's TensorType.INT4, and CONV_2D from version 7 on.
"""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compiler.backend.sparse_format import encode, smallest
from compiler.backend.sparsify import OVERHEAD_BYTES
from compiler.decompose.few_bits import largest_step
from compiler.tflite import flatbuffer
from compiler.tflite.nibbles import pack_nibbles
from compiler.types import FEW_LEVELS

VERSION = 7  # of CONV_2D: int8 activations with int4 filters


def pack_four_bits(tflite: bytes, *, or_sparse: bool = False) -> bytes:
    """The same network with every CONV_2D kernel that four bits hold stored so; `or_sparse`: but for those that are
    smaller stored sparse, which is left to `sparsify`."""
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
        kernel.buffer = flatbuffer.add_buffer(model, pack_nibbles(steps))
        kernel.type = schema.TensorType.INT4
        bias.buffer = flatbuffer.add_buffer(model, np.rint(sums / finer).astype(np.int32))
        for tensor in (kernel, bias):
            scale = np.asarray(tensor.quantization.scale, np.float64)
            tensor.quantization.scale = (scale * finer).astype(np.float32)
        code = model.operatorCodes[operator.opcodeIndex]
        code.version = max(code.version, VERSION)
    return flatbuffer.write(model)


def is_smaller_sparse(steps: np.ndarray) -> bool:
    """Whether a sparse encoding of the int8 kernel takes less than two weights a byte."""
    form = smallest(steps)
    return form is not None and encode(steps, form).nbytes + OVERHEAD_BYTES < -(-steps.size // 2)


def steps_of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """(n, the int8 steps in one of n for each output channel) of an OHWI int8 kernel that holds round(127 n / N) for a
    2N + 1 of `FEW_LEVELS`, the least that do; None where a value is no such one."""
    grids = (steps_on_grid(values, largest_step(levels)) for levels in sorted(FEW_LEVELS))
    found = [steps for steps in grids if steps is not None]

    def error(steps: tuple[np.ndarray, np.ndarray]) -> float:
        whole, finer = steps
        return float(np.abs(np.rint(whole * finer[:, None, None, None]) - values).sum())

    return min(found, key=error, default=None)


def steps_on_grid(values: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray] | None:
    """As `steps_of`, N = `most`.

    Where a channel is nearly silent beside its bias, the converter coarsens its scale until the bias fits int32: its
    largest value stays below 127, and stands for step N all the same.
    """
    largest = np.abs(values.astype(np.int32)).max(axis=(1, 2, 3), keepdims=True)
    finer = np.where(largest > 0, largest / most, 127 / most)
    steps = np.rint(values / finer)
    exact = np.rint(steps * finer) == values
    coarsened = (largest < 127) & (np.abs(steps * finer - values) <= 1)
    # A few steps beside a bias of 2^30: without them, or the bias at their scale would leave int32.
    silent = (largest > 0) & (largest < most)
    steps, finer = np.where(silent, 0, steps), np.where(silent, 127 / most, finer)
    coarsened = coarsened | silent
    if not np.all(exact | coarsened) or not np.any(largest == 127):
        return None
    return steps.astype(np.int8), finer.ravel()
