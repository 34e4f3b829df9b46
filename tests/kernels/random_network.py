"""int8 networks built operator by operator, with scales that keep the values of random inputs in range."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compiler.tflite import flatbuffer
from tests.kernels.conv_case import window_of


@dataclass(frozen=True)
class Value:
    """A tensor computed at run time; shape with batch. spread: about the standard deviation of its int8 values."""

    index: int
    shape: tuple[int, ...]
    scale: float
    zero: int
    spread: float = 50.0


class RandomNetwork:
    """Adds operators at its end; `tflite` packs what there is."""

    def __init__(self, shape: tuple[int, ...], seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.model = schema.ModelT(version=3, buffers=[schema.BufferT()], operatorCodes=[], subgraphs=[])
        self.graph = schema.SubGraphT(tensors=[], inputs=[0], outputs=[], operators=[])
        self.model.subgraphs.append(self.graph)
        self.input = self._value((1, *shape), 0.05, int(self.rng.integers(-128, 128)), 74.0)

    def tflite(self, output: Value) -> bytes:
        self.graph.outputs = [output.index]
        return flatbuffer.write(self.model)

    def conv(
        self,
        x: Value,
        c_out: int,
        kernel: tuple[int, int] = (1, 1),
        strides: tuple[int, int] = (1, 1),
        padding: str = "SAME",
        *,
        density: float = 1.0,
        dilation: tuple[int, int] = (1, 1),
        block: tuple[int, int] = (1, 1),
        relu: bool = False,
        depthwise: bool = False,
    ) -> Value:
        """density: the share of kept weights, in blocks (b_in, b_out). A depthwise c_out is a multiple of c_in."""
        _, h, w, c_in = x.shape
        shape = (1, *kernel, c_out) if depthwise else (c_out, *kernel, c_in)
        weights = self.rng.integers(-127, 128, shape).astype(np.int8)
        if density < 1:
            coarse = [math.ceil(n / b) for n, b in zip(shape, (block[1], 1, 1, block[0]), strict=True)]
            kept = (self.rng.random(coarse) < density).repeat(block[1], 0).repeat(block[0], 3)
            weights *= kept[:c_out, :, :, :c_in]
        options: schema.Conv2DOptionsT | schema.DepthwiseConv2DOptionsT
        if depthwise:
            options = schema.DepthwiseConv2DOptionsT(depthMultiplier=c_out // c_in)
        else:
            options = schema.Conv2DOptionsT()
        options.padding = getattr(schema.Padding, padding)
        options.strideH, options.strideW = strides
        options.dilationHFactor, options.dilationWFactor = dilation
        options.fusedActivationFunction = int(relu)
        out = [window_of(padding, *axis)[0] for axis in zip(kernel, (h, w), strides, dilation, strict=True)]
        products = kernel[0] * kernel[1] * (1 if depthwise else c_in) * density
        scales = np.float32(0.003 * np.exp(self.rng.uniform(-0.5, 0.5, c_out)))
        wanted = x.scale * 0.003 * x.spread * 73 * math.sqrt(max(products, 1)) / 50
        zero = -128 if relu else int(self.rng.integers(-40, 40))
        made = self._value((1, *out, c_out), wanted, zero)
        inputs = [x.index, self._constant(weights, scales, 3 if depthwise else 0), self._bias(c_out, x.scale * scales)]
        return self._operator("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", inputs, made, options, version=3)

    def add(self, a: Value, b: Value, *, relu: bool = False) -> Value:
        made = self._value(a.shape, (a.scale + b.scale) * 0.8, -128 if relu else int(self.rng.integers(-20, 20)))
        options = schema.AddOptionsT(fusedActivationFunction=int(relu))
        return self._operator("ADD", [a.index, b.index], made, options, version=2)

    def mul_by_channel(self, x: Value) -> Value:
        factors = self._constant(self.rng.integers(-127, 128, x.shape[-1]).astype(np.int8), np.float32([0.01]))
        made = self._value(x.shape, x.scale * 0.7, int(self.rng.integers(-20, 20)))
        return self._operator("MUL", [x.index, factors], made, schema.MulOptionsT(), version=2)

    def pad(self, x: Value, paddings: list[tuple[int, int]]) -> Value:
        shape = tuple(n + a + b for n, (a, b) in zip(x.shape, paddings, strict=True))
        inputs = [x.index, self._constant(np.array(paddings, np.int32))]
        return self._operator("PAD", inputs, self._value(shape, x.scale, x.zero), schema.PadOptionsT(), version=2)

    def pool(self, x: Value, kernel: tuple[int, int], strides: tuple[int, int], *, average: bool = True) -> Value:
        out = [window_of("VALID", *axis, 1)[0] for axis in zip(kernel, x.shape[1:3], strides, strict=True)]
        made = self._value((1, *out, x.shape[3]), x.scale, x.zero)
        options = schema.Pool2DOptionsT(
            padding=schema.Padding.VALID,
            strideH=strides[0],
            strideW=strides[1],
            filterHeight=kernel[0],
            filterWidth=kernel[1],
        )
        return self._operator("AVERAGE_POOL_2D" if average else "MAX_POOL_2D", [x.index], made, options, version=2)

    def mean(self, x: Value) -> Value:
        made = self._value((1, x.shape[3]), x.scale * 0.5, 3)
        inputs = [x.index, self._constant(np.array([1, 2], np.int32))]
        return self._operator("MEAN", inputs, made, schema.ReducerOptionsT(), version=2)

    def reshape(self, x: Value, shape: tuple[int, ...]) -> Value:
        inputs = [x.index, self._constant(np.array(shape, np.int32))]
        made = self._value(shape, x.scale, x.zero)
        return self._operator("RESHAPE", inputs, made, schema.ReshapeOptionsT(newShape=list(shape)))

    def dense(self, x: Value, c_out: int, *, per_channel: bool = True) -> Value:
        c_in = x.shape[-1]
        scales = np.float32(0.003 * np.exp(self.rng.uniform(-0.5, 0.5, c_out if per_channel else 1)))
        weights = self._constant(self.rng.integers(-127, 128, (c_out, c_in)).astype(np.int8), scales)
        wanted = x.scale * 0.003 * x.spread * 73 * math.sqrt(c_in) / 50
        made = self._value((1, c_out), wanted, int(self.rng.integers(-20, 20)))
        inputs = [x.index, weights, self._bias(c_out, x.scale * scales)]
        version = 12 if per_channel else 4
        return self._operator("FULLY_CONNECTED", inputs, made, schema.FullyConnectedOptionsT(), version=version)

    def softmax(self, x: Value) -> Value:
        made = self._value(x.shape, 1 / 256, -128)
        return self._operator("SOFTMAX", [x.index], made, schema.SoftmaxOptionsT(beta=1.0), version=2)

    def unary(self, operator: str, x: Value, scale: float, zero: int, options: object | None = None) -> Value:
        return self._operator(operator, [x.index], self._value(x.shape, scale, zero), options, version=2)

    def concatenate(self, values: list[Value], axis: int = 3) -> Value:
        """Of values of one scale and zero point."""
        shape = list(values[0].shape)
        shape[axis] = sum(v.shape[axis] for v in values)
        made = self._value(tuple(shape), values[0].scale, values[0].zero)
        options = schema.ConcatenationOptionsT(axis=axis)
        return self._operator("CONCATENATION", [v.index for v in values], made, options, version=2)

    def gather(self, x: Value, index: np.ndarray) -> Value:
        made = self._value((*x.shape[:-1], len(index)), x.scale, x.zero)
        inputs = [x.index, self._constant(index.astype(np.int32))]
        return self._operator("GATHER", inputs, made, schema.GatherOptionsT(axis=len(x.shape) - 1), version=2)

    def _operator(self, code: str, inputs: list[int], made: Value, options: object | None, version: int = 1) -> Value:
        opcode = flatbuffer.add_operator_code(self.model, getattr(schema.BuiltinOperator, code), version)
        operator = schema.OperatorT(opcodeIndex=opcode, inputs=inputs, outputs=[made.index])
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self.graph.operators.append(operator)
        return made

    def _value(self, shape: tuple[int, ...], scale: float, zero: int, spread: float = 50.0) -> Value:
        scale = float(np.float32(scale))
        index = self._tensor(shape, schema.TensorType.INT8, 0, np.float32([scale]), zero)
        return Value(index, shape, scale, zero, spread)

    def _bias(self, c_out: int, scales: np.ndarray) -> int:
        return self._constant(self.rng.integers(-3000, 3000, c_out).astype(np.int32), scales)

    def _constant(self, values: np.ndarray, scales: np.ndarray | None = None, axis: int = 0) -> int:
        kind = schema.TensorType.INT8 if values.dtype == np.int8 else schema.TensorType.INT32
        return self._tensor(values.shape, kind, flatbuffer.add_buffer(self.model, values), scales, 0, axis)

    def _tensor(
        self,
        shape: tuple[int, ...],
        kind: int,
        buffer: int,
        scales: np.ndarray | None,
        zero: int,
        axis: int = 0,
    ) -> int:
        index = len(self.graph.tensors)
        tensor = schema.TensorT(name=f"tensor_{index}", shape=list(shape), type=kind, buffer=buffer)
        if scales is not None:
            tensor.quantization = schema.QuantizationParametersT(
                scale=np.asarray(scales, np.float32),
                zeroPoint=np.full(len(scales), zero, np.int64),
                quantizedDimension=axis,
            )
        self.graph.tensors.append(tensor)
        return index
