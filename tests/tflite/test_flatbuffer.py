from __future__ import annotations

import contextlib

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.errors import BadInput
from compiler.tflite import flatbuffer
from tests.backend.networks import conv_file, images, random_int8, same_outputs, small_int8


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def test_what_is_written_reads_back_and_runs_the_same() -> None:
    tflite = small_int8()
    again = flatbuffer.write(flatbuffer.read(tflite))
    assert again == flatbuffer.write(flatbuffer.read(again))
    assert same_outputs(tflite, again, images(3), "reference")


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(max_size=12),
            st.lists(st.integers(1, 5), max_size=4),
            st.sampled_from(list(flatbuffer.DTYPES)),
            st.lists(st.floats(0, 10, width=32), max_size=4),
            st.binary(max_size=70),
            st.booleans(),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_every_field_survives_and_every_buffer_is_aligned(rows: list[tuple]) -> None:
    model = schema.ModelT(version=3, operatorCodes=[], buffers=[schema.BufferT()])
    tensors = []
    for name, shape, kind, scale, data, variable in rows:
        model.buffers.append(schema.BufferT(data=np.frombuffer(data, np.uint8)))
        quantization = schema.QuantizationParametersT(
            scale=np.float32(scale), zeroPoint=np.arange(len(scale)), quantizedDimension=len(shape)
        )
        tensors.append(
            schema.TensorT(
                name=name,
                shape=np.int32(shape),
                type=kind,
                buffer=len(model.buffers) - 1,
                quantization=quantization,
                isVariable=variable,
            )
        )
    model.subgraphs = [schema.SubGraphT(tensors=tensors, inputs=np.int32([0]), outputs=np.int32([0]), operators=[])]
    tflite = flatbuffer.write(model)
    read = flatbuffer.read(tflite)
    start = address(np.frombuffer(tflite, np.uint8))
    for (name, shape, kind, scale, data, variable), tensor in zip(rows, read.subgraphs[0].tensors, strict=True):
        assert flatbuffer.text(tensor.name) == name
        assert flatbuffer.shape_of(tensor) == tuple(shape)
        assert (tensor.type, tensor.isVariable, tensor.quantization.quantizedDimension) == (kind, variable, len(shape))
        assert np.asarray(tensor.quantization.scale).tolist() == np.float32(scale).tolist()
        assert np.asarray(tensor.quantization.zeroPoint).tolist() == list(range(len(scale)))
        stored = read.buffers[tensor.buffer].data
        assert (b"" if stored is None else stored.tobytes()) == data
        if data:
            assert (address(stored) - start) % flatbuffer.DATA_ALIGNMENT == 0


def test_equal_parts_are_written_once() -> None:
    tensors = flatbuffer.subgraph(flatbuffer.read(small_int8())).tensors
    vectors = [t.quantization.zeroPoint for t in tensors if t.quantization is not None]
    zero_points = [z for z in vectors if z is not None and len(z) == 8]
    assert len(zero_points) >= 4  # kernels and biases of both convolutions
    assert len({address(z) for z in zero_points}) == 1


def test_one_more_equal_tensor_costs_two_offsets() -> None:
    def size(copies: int) -> int:
        model = flatbuffer.read(conv_file(random_int8((4, 3, 3, 4))))
        graph = flatbuffer.subgraph(model)
        graph.tensors += [schema.TensorT(**vars(graph.tensors[1])) for _ in range(copies)]
        return len(flatbuffer.write(model))

    assert size(9) - size(1) == 8 * 4  # the table is shared, its entry in the list of tensors is not


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\x1c\0\0\0PNG!" + bytes(64)])
def test_a_foreign_file_is_refused(content: bytes) -> None:
    with pytest.raises(BadInput, match="not a TFLite file"):
        flatbuffer.read(content)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.995])
def test_a_truncated_file_is_refused(share: float) -> None:
    tflite = conv_file(random_int8((16, 3, 3, 16)))
    with pytest.raises(BadInput, match="damaged or cut off"):
        flatbuffer.read(tflite[: int(share * len(tflite))])


def test_a_buffer_longer_than_the_file_is_refused() -> None:
    kernel = random_int8((16, 3, 3, 16))
    tflite = bytearray(conv_file(kernel))
    start = tflite.index(kernel.tobytes())
    tflite[start - 4 : start] = (10**6).to_bytes(4, "little")
    with pytest.raises(BadInput, match="damaged or cut off"):
        flatbuffer.read(bytes(tflite))


@settings(max_examples=60, deadline=None)
@given(st.integers(8, 1000), st.lists(st.tuples(st.integers(8, 1000), st.integers(0, 255)), max_size=3))
def test_whatever_is_damaged_is_read_or_refused(length: int, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(conv_file(random_int8((4, 1, 1, 4))))
    for place, value in changes:
        damaged[place % len(damaged)] = value
    with contextlib.suppress(BadInput):
        flatbuffer.read(bytes(damaged[: length if length % 3 else None]))


def test_operators_have_their_names() -> None:
    model = flatbuffer.read(conv_file(random_int8((4, 1, 1, 4))))
    assert [name for name, _ in flatbuffer.operators(model)] == ["CONV_2D"]
    code = model.operatorCodes[0]
    code.builtinCode, code.deprecatedBuiltinCode = schema.BuiltinOperator.GELU, 127
    assert [name for name, _ in flatbuffer.operators(model)] == ["GELU"]
    assert list(flatbuffer.custom_operators(model)) == []
    code.builtinCode, code.deprecatedBuiltinCode, code.customCode = schema.BuiltinOperator.CUSTOM, 32, b"FlexErf"
    assert list(flatbuffer.custom_operators(model)) == ["FlexErf"]


def test_floats_are_allowed_at_the_borders_only() -> None:
    model = flatbuffer.read(small_int8("float"))
    assert set(flatbuffer.float_operators(model)) == {"QUANTIZE", "DEQUANTIZE"}
    assert list(flatbuffer.float_operators(model, borders=True)) == []
    flatbuffer.subgraph(model).tensors[flatbuffer.subgraph(model).operators[1].outputs[0]].type = 0
    assert len(list(flatbuffer.float_operators(model, borders=True))) > 0


def test_constants_are_read_in_their_shape() -> None:
    kernel = random_int8((4, 3, 3, 2))
    model = flatbuffer.read(conv_file(kernel))
    tensors = flatbuffer.subgraph(model).tensors
    assert np.array_equal(flatbuffer.tensor_array(model, tensors[1]), kernel)
    assert flatbuffer.tensor_array(model, tensors[0]) is None
