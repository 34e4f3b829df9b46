"""Small networks for the tests of the backend: one convolution written by hand, and a Keras network as int8."""

from __future__ import annotations

import functools

import keras
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compiler.backend.quantize import quantize
from compiler.backend.verify import Kernels, run_raw
from compiler.tflite import flatbuffer


def conv_file(kernel: np.ndarray, calls: int = 1) -> bytes:
    """An int8 .tflite: `calls` times the same valid convolution (OHWI `kernel`) side by side on one 6×6 input."""
    c_out, _, _, c_in = kernel.shape
    model = schema.ModelT(version=3, buffers=[schema.BufferT()], operatorCodes=[])
    conv = flatbuffer.add_operator_code(model, schema.BuiltinOperator.CONV_2D, version=3)
    size = 6 - kernel.shape[1] + 1
    tensors = [
        _tensor("in", (1, 6, 6, c_in), schema.TensorType.INT8, 0, np.float32([0.01])),
        _tensor("kernel", kernel.shape, schema.TensorType.INT8, flatbuffer.add_buffer(model, kernel), _spread(c_out)),
        _tensor(
            "bias",
            (c_out,),
            schema.TensorType.INT32,
            flatbuffer.add_buffer(model, np.arange(c_out, dtype=np.int32)),
            _spread(c_out) * np.float32(0.01),
        ),
    ]
    outputs = range(3, 3 + calls)
    tensors += [
        _tensor(f"out{i}", (1, size, size, c_out), schema.TensorType.INT8, 0, np.float32([0.02])) for i in outputs
    ]
    operators = [
        schema.OperatorT(
            opcodeIndex=conv,
            inputs=np.int32([0, 1, 2]),
            outputs=np.int32([i]),
            builtinOptionsType=schema.BuiltinOptions.Conv2DOptions,
            builtinOptions=schema.Conv2DOptionsT(padding=schema.Padding.VALID, strideW=1, strideH=1),
        )
        for i in outputs
    ]
    graph = schema.SubGraphT(
        tensors=tensors, inputs=np.int32([0]), outputs=np.array(outputs, np.int32), operators=operators
    )
    model.subgraphs = [graph]
    return flatbuffer.write(model)


def _tensor(name: str, shape: tuple[int, ...], kind: int, buffer: int, scale: np.ndarray) -> schema.TensorT:
    quantization = schema.QuantizationParametersT(scale=scale, zeroPoint=np.zeros(len(scale), np.int64))
    return schema.TensorT(name=name, shape=np.int32(shape), type=kind, buffer=buffer, quantization=quantization)


def _spread(channels: int) -> np.ndarray:
    return np.linspace(0.004, 0.012, channels, dtype=np.float32)


@functools.cache
def small_keras() -> keras.Model:
    """Two convolutions, a strided one behind an explicit padding, a Dense with a bias, on 12×12×3; five logits."""
    keras.utils.set_random_seed(1)
    x = inputs = keras.Input((12, 12, 3), name="image")
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    x = keras.layers.ZeroPadding2D(1)(x)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(5, bias_initializer="random_normal")(x)
    return keras.Model(inputs, x)


def images(count: int) -> np.ndarray:
    return np.random.default_rng(count).normal(size=(count, 12, 12, 3)).astype(np.float32)


@functools.cache
def small_int8(io: str = "int8", per_tensor_dense: bool = False) -> bytes:
    """`small_keras` as TFLite."""
    return quantize(small_keras(), images(16), io=io, per_tensor_dense=per_tensor_dense)


def random_int8(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


def same_outputs(first: bytes, second: bytes, inputs: np.ndarray, kernels: Kernels) -> bool:
    """Whether two files compute the same, bit by bit."""
    pairs = zip(run_raw(first, inputs, kernels=kernels), run_raw(second, inputs, kernels=kernels), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)
