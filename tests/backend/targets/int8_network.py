"""Small int8 TFLite networks written operator by operator: exact shapes, no converter, made in milliseconds."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compiler.tflite import flatbuffer

SCALE = 0.05
CODES = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "ADD": 2, "MEAN": 2, "SOFTMAX": 2, "GATHER": 2}


class Int8Network:
    """A network of batch 1. Methods append an operator and return the index of its output tensor.

    Weights are random with scales such that activations neither saturate nor vanish.
    """

    def __init__(self, input_shape: tuple[int, ...], seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.model = schema.ModelT(version=3, description=b"test", buffers=[schema.BufferT()], operatorCodes=[])
        self.graph = schema.SubGraphT(tensors=[], operators=[], name=b"main")
        self.model.subgraphs = [self.graph]
        self.input = self._tensor("input", (1, *input_shape))
        self.last = self.input

    def conv(
        self, c_out: int, size: int = 1, stride: int = 1, *, source: int | None = None, density: float = 1.0
    ) -> int:
        """SAME convolution, per-channel weights; `density` is the share of weights that are not zero."""
        source, shape = self._source(source)
        kernel = (c_out, size, size, shape[3])
        fan_in = size * size * shape[3] * density
        weights = self._weights(kernel, fan_in, c_out, axis=0, density=density)
        bias = self._bias(c_out, self._scales(weights))
        options = schema.Conv2DOptionsT(strideH=stride, strideW=stride, dilationHFactor=1, dilationWFactor=1)
        rows, columns = -(-shape[1] // stride), -(-shape[2] // stride)
        kind = schema.BuiltinOptions.Conv2DOptions
        return self._operator("CONV_2D", [source, weights, bias], (1, rows, columns, c_out), options, kind)

    def depthwise(self, size: int = 3) -> int:
        """SAME depthwise convolution, per-channel weights."""
        source, shape = self._source(None)
        channels = shape[3]
        weights = self._weights((1, size, size, channels), size * size, channels, axis=3)
        bias = self._bias(channels, self._scales(weights))
        options = schema.DepthwiseConv2DOptionsT(strideH=1, strideW=1, depthMultiplier=1)
        options.dilationHFactor = options.dilationWFactor = 1
        kind = schema.BuiltinOptions.DepthwiseConv2DOptions
        return self._operator("DEPTHWISE_CONV_2D", [source, weights, bias], shape, options, kind)

    def dense(self, units: int, *, per_channel: bool = False) -> int:
        source, shape = self._source(None)
        c_in = int(np.prod(shape[1:]))
        weights = self._weights((units, c_in), c_in, units if per_channel else 1, axis=0)
        bias = self._bias(units, self._scales(weights))
        options = schema.FullyConnectedOptionsT()
        kind = schema.BuiltinOptions.FullyConnectedOptions
        return self._operator("FULLY_CONNECTED", [source, weights, bias], (1, units), options, kind)

    def add(self, one: int, other: int, *, relu: bool = False) -> int:
        shape = flatbuffer.shape_of(self.graph.tensors[one])
        options = schema.AddOptionsT(fusedActivationFunction=int(relu))
        return self._operator("ADD", [one, other], shape, options, schema.BuiltinOptions.AddOptions)

    def mean(self) -> int:
        source, shape = self._source(None)
        axes = self._constant("axes", np.array([1, 2], np.int32))
        options = schema.ReducerOptionsT(keepDims=False)
        result = self._operator("MEAN", [source, axes], (1, shape[3]), options, schema.BuiltinOptions.ReducerOptions)
        self.graph.tensors[result].quantization = quantization([0.3 * SCALE], [3])
        return result

    def gather(self, channels: list[int], *, source: int | None = None) -> int:
        source, shape = self._source(source)
        indices = self._constant("channels", np.array(channels, np.int32))
        options = schema.GatherOptionsT(axis=len(shape) - 1, batchDims=0)
        result = (*shape[:-1], len(channels))
        return self._operator("GATHER", [source, indices], result, options, schema.BuiltinOptions.GatherOptions)

    def cos(self) -> int:
        """An operator that TFLite Micro's host interpreter and Vela have only in float."""
        source, shape = self._source(None)
        return self._operator("COS", [source], shape, schema.CosOptionsT(), schema.BuiltinOptions.CosOptions)

    def softmax(self) -> int:
        source, shape = self._source(None)
        options = schema.SoftmaxOptionsT(beta=1.0)
        result = self._operator("SOFTMAX", [source], shape, options, schema.BuiltinOptions.SoftmaxOptions)
        self.graph.tensors[result].quantization = quantization([1 / 256], [-128])
        return result

    def tflite(self) -> bytes:
        self.graph.inputs = np.array([self.input], np.int32)
        self.graph.outputs = np.array([self.last], np.int32)
        return flatbuffer.write(self.model)

    def _source(self, source: int | None) -> tuple[int, tuple[int, ...]]:
        source = self.last if source is None else source
        return source, flatbuffer.shape_of(self.graph.tensors[source])

    def _tensor(self, name: str, shape: tuple[int, ...], kind: int = schema.TensorType.INT8, buffer: int = 0) -> int:
        tensor = schema.TensorT(name=f"{name}{len(self.graph.tensors)}".encode(), buffer=buffer, type=kind)
        tensor.shape = np.array(shape, np.int32)
        tensor.quantization = quantization([SCALE], [0]) if kind == schema.TensorType.INT8 else None
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def _constant(self, name: str, values: np.ndarray) -> int:
        kind = {np.dtype("int8"): schema.TensorType.INT8, np.dtype("int32"): schema.TensorType.INT32}[values.dtype]
        return self._tensor(name, values.shape, kind, flatbuffer.add_buffer(self.model, values))

    def _weights(self, shape: tuple[int, ...], fan_in: float, scales: int, axis: int, density: float = 1.0) -> int:
        values = np.clip(np.round(self.random.normal(0, 40, shape)), -127, 127).astype(np.int8)
        values[self.random.random(shape) >= density] = 0
        index = self._constant("kernel", values)
        self.graph.tensors[index].quantization = quantization([1 / (40 * fan_in**0.5)] * scales, [0] * scales, axis)
        return index

    def _bias(self, channels: int, scales: np.ndarray) -> int:
        index = self._constant("bias", self.random.integers(-200, 200, channels).astype(np.int32))
        self.graph.tensors[index].quantization = quantization(list(SCALE * scales), [0] * len(scales))
        return index

    def _scales(self, tensor: int) -> np.ndarray:
        return np.asarray(self.graph.tensors[tensor].quantization.scale)

    def _operator(self, code: str, inputs: list[int], shape: tuple[int, ...], options: object, kind: int) -> int:
        builtin = getattr(schema.BuiltinOperator, code)
        opcode = flatbuffer.add_operator_code(self.model, builtin, CODES.get(code, 1))
        self.last = self._tensor(code.lower(), shape)
        operator = schema.OperatorT(opcodeIndex=opcode, builtinOptionsType=kind, builtinOptions=options)
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([self.last], np.int32)
        self.graph.operators.append(operator)
        return self.last


def quantization(scales: list[float], zero_points: list[int], axis: int = 0) -> schema.QuantizationParametersT:
    parameters = schema.QuantizationParametersT(quantizedDimension=axis)
    parameters.scale, parameters.zeroPoint = np.array(scales, np.float32), np.array(zero_points, np.int64)
    return parameters


def residual_network(width: int = 16, seed: int = 0, *, softmax: bool = True, density: float = 1.0) -> bytes:
    """8×8×4 → conv → (conv, conv, add) → strided conv → mean → dense (→ softmax): every kind of operator, tiny."""
    network = Int8Network((8, 8, 4), seed)
    stem = network.conv(width, 3, density=density)
    network.conv(width, 3, density=density)
    network.add(stem, network.conv(width, 3, density=density))
    network.conv(2 * width, 3, 2, density=density)
    network.mean()
    network.dense(10)
    if softmax:
        network.softmax()
    return network.tflite()
