"""What a file's numbers stand for, and what of it is known without running it."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from compiler.backend.sparsify import sparsify
from compiler.errors import BadInput, UnsupportedModel
from compiler.tflite import flatbuffer
from compiler.tflite.nibbles import pack_nibbles
from compiler.tflite.source import Source, read_source
from tests.backend.networks import conv_file

KERNEL = np.random.default_rng(0).integers(-127, 128, (4, 3, 3, 8)).astype(np.int8)


def changed(**fields: object) -> bytes:
    """The file of one convolution with its kernel tensor changed."""
    model = flatbuffer.read(conv_file(KERNEL))
    for name, value in fields.items():
        setattr(flatbuffer.subgraph(model).tensors[1], name, value)
    return flatbuffer.write(model)


def test_kernels_and_biases_by_channel() -> None:
    [conv] = read_source(conv_file(KERNEL)).operators
    scale = np.linspace(0.004, 0.012, 4, dtype=np.float32).astype(np.float64)
    np.testing.assert_allclose(conv.constant(1, "weights"), KERNEL * scale.reshape(4, 1, 1, 1), rtol=1e-6)
    np.testing.assert_allclose(conv.constant(2, "bias"), np.arange(4) * scale * 0.01, rtol=1e-6)
    assert (conv.kind, conv.padding, conv.activation) == ("CONV_2D", "valid", "NONE")


def test_zero_points() -> None:
    quantization = schema.QuantizationParametersT(scale=np.float32([0.5]), zeroPoint=np.int64([3]))
    [conv] = read_source(changed(quantization=quantization)).operators
    np.testing.assert_array_equal(conv.constant(1, "weights"), (KERNEL - np.float32(3)) * 0.5)


def test_a_bias_without_a_scale_has_that_of_its_products() -> None:
    model = flatbuffer.read(conv_file(KERNEL))
    flatbuffer.subgraph(model).tensors[2].quantization = None
    [with_scale], [without] = (read_source(f).operators for f in (conv_file(KERNEL), flatbuffer.write(model)))
    np.testing.assert_allclose(without.constant(2, "bias"), with_scale.constant(2, "bias"), rtol=1e-6)


def test_limits_are_of_activations_quantized_as_a_whole() -> None:
    source = read_source(conv_file(KERNEL))
    assert source.quantized
    assert source.inputs[0].limits == pytest.approx((-1.28, 1.27))
    assert source.operators[0].input(1).limits is None


def test_sparse_kernels_are_unpacked() -> None:
    kernel = KERNEL * (np.random.default_rng(1).random(KERNEL.shape) < 0.05).astype(np.int8)
    sparse = sparsify(conv_file(kernel))
    assert "DENSIFY" in dict(flatbuffer.operators(flatbuffer.read(sparse)))
    [dense], [conv] = (read_source(f).operators for f in (conv_file(kernel), sparse))
    np.testing.assert_array_equal(conv.constant(1, "weights"), dense.constant(1, "weights"))


def test_damage_is_named() -> None:
    for file, message in (
        (changed(buffer=99), "'kernel' has no buffer 99"),
        (changed(shape=np.int32([4, 3, 3, 7])), "'kernel' is not as long as its shape"),
        (changed(shape=np.int32([4, 3, 3, -8])), "'kernel' has the shape"),
        (changed(quantization=schema.QuantizationParametersT(scale=np.float32([1, 2]))), "'kernel' has 2 scales"),
        (changed(quantization=schema.QuantizationParametersT(scale=np.float32([np.nan]))), "a scale of 'kernel'"),
    ):
        with pytest.raises(BadInput, match=message):
            read_source(file)


def test_types_without_real_numbers_are_refused() -> None:
    with pytest.raises(UnsupportedModel, match=r"tensor 'kernel' is stored as COMPLEX64, .* convert the network with"):
        read_source(changed(type=schema.TensorType.COMPLEX64))


def test_kernels_of_four_bits_are_read() -> None:
    steps = np.clip(KERNEL, -7, 7)
    model = flatbuffer.read(conv_file(steps))
    kernel = flatbuffer.subgraph(model).tensors[1]
    kernel.type, kernel.buffer = schema.TensorType.INT4, flatbuffer.add_buffer(model, pack_nibbles(steps))
    [small] = read_source(flatbuffer.write(model)).operators
    [large] = read_source(conv_file(steps)).operators
    np.testing.assert_array_equal(small.constant(1, "weights"), large.constant(1, "weights"))


def with_operator(builtin: int, options: object, constants: list[np.ndarray]) -> Source:
    """One operator between constants, whose result is what the convolution's input is added to."""
    model = flatbuffer.read(conv_file(KERNEL))
    graph = flatbuffer.subgraph(model)
    first = len(graph.tensors)
    kinds = {np.dtype("int32"): schema.TensorType.INT32, np.dtype("float32"): schema.TensorType.FLOAT32}
    for number, array in enumerate(constants):
        graph.tensors.append(
            schema.TensorT(
                name=f"c{number}",
                shape=np.int32(array.shape),
                type=kinds[array.dtype],
                buffer=flatbuffer.add_buffer(model, array),
            )
        )
    graph.tensors.append(schema.TensorT(name="known", shape=np.int32([]), type=schema.TensorType.INT32, buffer=0))
    result = len(graph.tensors) - 1
    made = schema.OperatorT(
        opcodeIndex=flatbuffer.add_operator_code(model, builtin),
        inputs=np.arange(first, result, dtype=np.int32) if constants else np.int32([0]),
        outputs=np.int32([result]),
        builtinOptions=options,
    )
    user = schema.OperatorT(
        opcodeIndex=flatbuffer.add_operator_code(model, schema.BuiltinOperator.RESHAPE),
        inputs=np.int32([0, result]),
        outputs=graph.outputs,
    )
    graph.operators = [made, user]
    if options is not None:
        made.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
    return read_source(flatbuffer.write(model))


I32 = np.int32
FOLDED = {
    "shape": (schema.BuiltinOperator.SHAPE, schema.ShapeOptionsT(), [], [1, 6, 6, 8]),
    "pack": (schema.BuiltinOperator.PACK, schema.PackOptionsT(axis=0, valuesCount=2), [I32(1), I32(5)], [1, 5]),
    "strided slice": (
        schema.BuiltinOperator.STRIDED_SLICE,
        schema.StridedSliceOptionsT(shrinkAxisMask=1),
        [I32([7, 8, 9]), I32([1]), I32([2]), I32([1])],
        8,
    ),
    "concatenation": (
        schema.BuiltinOperator.CONCATENATION,
        schema.ConcatenationOptionsT(axis=0),
        [I32([1]), I32([2, 3])],
        [1, 2, 3],
    ),
    "reshape": (schema.BuiltinOperator.RESHAPE, None, [I32([[1, 2]]), I32([-1])], [1, 2]),
    "transpose": (schema.BuiltinOperator.TRANSPOSE, None, [I32([[1, 2]]), I32([1, 0])], [[1], [2]]),
    "product": (schema.BuiltinOperator.REDUCE_PROD, None, [I32([2, 3]), I32([0])], 6),
}


@pytest.mark.parametrize("case", FOLDED.values(), ids=FOLDED)
def test_constants_are_worked_out(case: tuple) -> None:
    builtin, options, constants, expected = case
    [user] = with_operator(builtin, options, [np.asarray(c) for c in constants]).operators
    np.testing.assert_array_equal(user.constant(1, "shape"), expected)
    assert user.constant(1, "shape").shape == np.shape(expected)


def test_constants_that_do_not_fit_are_damage() -> None:
    with pytest.raises(BadInput, match=r"the constants of operator 0, RESHAPE \(it makes 'known'\) don't fit"):
        with_operator(schema.BuiltinOperator.RESHAPE, None, [I32([1, 2]), I32([3])])


def test_slices_are_those_of_python() -> None:
    x = np.arange(60).reshape(3, 4, 5)
    bounds = [I32([1, 3, 0]), I32([3, 0, 5]), I32([1, -2, 2])]
    options = schema.StridedSliceOptionsT(beginMask=1, endMask=2, shrinkAxisMask=0)
    source = with_operator(schema.BuiltinOperator.STRIDED_SLICE, options, [x.astype(np.int32), *bounds])
    np.testing.assert_array_equal(source.operators[0].constant(1, "shape"), x[:3, 3::-2, 0:5:2])
    with pytest.raises(UnsupportedModel, match="with an ellipsis or a new axis"):
        with_operator(
            schema.BuiltinOperator.STRIDED_SLICE,
            schema.StridedSliceOptionsT(newAxisMask=1),
            [x.astype(np.int32), *bounds],
        )
