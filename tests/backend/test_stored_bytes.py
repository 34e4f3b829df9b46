from __future__ import annotations

import keras
import numpy as np
import pytest

from compiler.backend.quantize import quantize
from compiler.backend.sparsify import sparsify
from compiler.backend.stored_bytes import leaves_out_biases, macs, stored_bytes
from compiler.errors import BadInput
from compiler.tflite import flatbuffer
from tests.backend.networks import conv_file, random_int8, small_int8, small_keras


def test_kernels_and_biases_count_shapes_and_paddings_do_not() -> None:
    model = small_keras()
    kernels = sum(layer.kernel.shape.num_elements() for layer in model.layers if layer.weights)
    biases = 8 + 5  # both convolutions have zero biases of one length, which are stored once
    stored = stored_bytes(small_int8())
    assert stored.params == kernels + biases
    assert stored.weight_bytes == kernels + 4 * biases
    assert stored.file_bytes == len(small_int8())


def test_two_tensors_with_the_same_bytes_count_once() -> None:
    tflite = conv_file(random_int8((4, 3, 3, 4)))
    model = flatbuffer.read(tflite)
    graph = flatbuffer.subgraph(model)
    kernel = np.array(flatbuffer.tensor_array(model, graph.tensors[1]))
    copy = type(graph.tensors[1])(**vars(graph.tensors[1]))
    copy.buffer = flatbuffer.add_buffer(model, kernel)
    graph.tensors.append(copy)
    assert stored_bytes(flatbuffer.write(model)).weight_bytes == stored_bytes(tflite).weight_bytes
    model.buffers[copy.buffer].data = np.frombuffer((kernel + 1).tobytes(), np.uint8)
    assert stored_bytes(flatbuffer.write(model)).weight_bytes == stored_bytes(tflite).weight_bytes + kernel.size


@pytest.mark.parametrize("zero", ["conv", "dense", None])
def test_zero_biases_are_left_out(zero: str | None) -> None:
    inputs = keras.Input((8, 8, 8))
    x = keras.layers.Conv2D(8, 3, name="conv")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(5, name="dense")(keras.layers.Flatten()(x)))
    random = np.random.default_rng(0)
    for name in ("conv", "dense"):
        kernel, bias = model.get_layer(name).get_weights()
        model.get_layer(name).set_weights([kernel, 0 * bias if name == zero else random.normal(size=bias.shape)])
    tflite = quantize(model, random.normal(size=(8, 8, 8, 8)).astype(np.float32))
    assert leaves_out_biases(tflite) == (zero is not None)


def test_of_a_sparse_tensor_values_and_indices_count() -> None:
    kernel = np.zeros((64, 1, 1, 64), np.int8)
    kernel[:, 0, 0, 3] = 5
    stored = stored_bytes(sparsify(conv_file(kernel)))
    assert stored.params == 64 + 64
    # The input channels are a CSR level with one entry: two segments and an index; biases are int32.
    assert stored.weight_bytes == 64 + (2 + 1) + 4 * 64


def test_multiply_accumulates_of_the_small_network() -> None:
    assert macs(small_int8()) == 144 * 27 * 8 + 36 * 72 * 8 + 288 * 5


def test_multiply_accumulates_of_the_other_layers() -> None:
    inputs = keras.Input((8, 8, 4))
    x = keras.layers.DepthwiseConv2D(3, padding="same")(inputs)
    x = keras.layers.Conv2D(8, 3, groups=2, padding="same")(x)
    x = keras.layers.Conv2DTranspose(6, 3, strides=2, padding="same")(x)
    tflite = quantize(keras.Model(inputs, x), np.random.default_rng(0).normal(size=(4, 8, 8, 4)))
    assert macs(tflite) == 64 * 4 * 9 + 64 * 8 * 9 * 2 + 64 * 8 * 9 * 6


def test_a_foreign_file_is_refused() -> None:
    with pytest.raises(BadInput, match="not a TFLite file"):
        stored_bytes(b"PK\x03\x04 a Keras file, say")
