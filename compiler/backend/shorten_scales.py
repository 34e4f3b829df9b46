"""Kernel scales that two bytes a channel can tell, for C kernels that store them so
(`kernels/reference/channel_constants.py`).

A scale s of an int8 convolution's output channel becomes s' = k · 2^t, 2^12 ≤ k < 2^13, the nearest to s: no farther
than 2^-13 of it, when a weight's own rounding is 2^-8 of the largest. Scales of coded weights come with six significant
bits, which one byte tells, and keep them; so do those that take their place. Weights stay; the bias is counted in the
new unit,

    b' = round(b · s / s')                  at the scale s_in · s'

A channel whose weights can't move its output by an eighth of a step, |s_in s Σ w x| < s_out / 8, puts out its bias
whatever comes in. Its weights become zeros, and its scale is free: that of the layer's other channels, but no coarser
than an eighth of a step, or the one at which its bias is 2^14, whichever is larger. The converter gives such a channel,
of which training left nothing, a scale at which the bias is 2^30, so that the whole layer would need four bytes a bias.
"""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compiler.decompose.significant_bits import significant_bits
from compiler.tflite import flatbuffer
from compiler.tflite.nibbles import pack_nibbles
from kernels.reference.channel_constants import COARSE_BITS, FRACTION_BITS

QUIET = 1 / 8  # of an output step
QUIET_BIAS = 2.0**14
CONVOLUTIONS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3}  # the kernel's axis of output channels


def shorten_scales(tflite: bytes) -> bytes:
    """The same network with short scales in every convolution whose kernel and bias nobody else reads."""
    model = flatbuffer.read(tflite)
    tensors = flatbuffer.subgraph(model).tensors
    readers = flatbuffer.readers(model)
    for name, operator in flatbuffer.operators(model):
        if name not in CONVOLUTIONS or len(operator.inputs) < 3 or operator.inputs[2] < 0:
            continue
        if all(readers[int(i)] == 1 for i in operator.inputs[1:3]):
            x, kernel, bias = (tensors[int(i)] for i in operator.inputs)
            shorten(model, x, kernel, bias, tensors[int(operator.outputs[0])], CONVOLUTIONS[name])
    return flatbuffer.write(model)


def shorten(
    model: schema.ModelT,
    x: schema.TensorT,
    kernel: schema.TensorT,
    bias: schema.TensorT,
    out: schema.TensorT,
    axis: int,
) -> None:
    """One convolution, in place; left as it is where it is not int8 all through, or stored sparse."""
    if kernel.type not in (schema.TensorType.INT8, schema.TensorType.INT4) or kernel.sparsity is not None:
        return
    values, sums = flatbuffer.tensor_array(model, kernel), flatbuffer.tensor_array(model, bias)
    ends = [end.quantization.scale for end in (x, out) if end.quantization is not None]
    if values is None or sums is None or kernel.quantization is None or bias.type != schema.TensorType.INT32:
        return
    if len(ends) < 2 or any(scale is None or len(scale) != 1 for scale in ends):
        return
    step_in, step_out = (float(scale[0]) for scale in ends)
    scales = np.asarray(kernel.quantization.scale, np.float64)
    channels = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1).astype(np.int64)
    if len(scales) != len(channels) or not np.all(scales > 0):
        return
    quiet = step_in * scales * 255 * np.abs(channels).sum(axis=1) < QUIET * step_out
    free = quiet_scales(scales, quiet, np.abs(sums) * scales, QUIET * step_out / step_in)
    shorter = rounded(np.where(quiet, free, scales))
    coarse = rounded(shorter, COARSE_BITS)
    if np.array_equal(coarse[~quiet], shorter[~quiet]):
        shorter = coarse
    counted = np.rint(sums * (scales / shorter))
    if np.any(np.abs(counted) >= 2**31):
        return
    if np.any(quiet & np.any(channels, axis=1)):
        shape = [1] * values.ndim
        shape[axis] = -1
        kept = np.where(quiet.reshape(shape), 0, values).astype(np.int8)
        packed = pack_nibbles(kept) if kernel.type == schema.TensorType.INT4 else kept
        kernel.buffer = flatbuffer.add_buffer(model, packed)
    bias.buffer = flatbuffer.add_buffer(model, counted.astype(np.int32))
    kernel.quantization.scale = shorter.astype(np.float32)
    bias.quantization.scale = (step_in * shorter).astype(np.float32)


def quiet_scales(scales: np.ndarray, quiet: np.ndarray, biases: np.ndarray, coarsest: float) -> np.ndarray:
    """Scales for quiet channels; `biases`: |b| in units of s_in."""
    usual = np.median(scales[~quiet]) if not np.all(quiet) else scales.min()
    return np.maximum(min(usual, coarsest), biases / QUIET_BIAS)


def rounded(scales: np.ndarray, bits: int = FRACTION_BITS) -> np.ndarray:
    """The nearest k · 2^t with 2^bits ≤ k < 2^(bits + 1)."""
    return significant_bits(scales, bits + 1)
