from __future__ import annotations

from collections import Counter

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.backend.quantize import quantize
from compiler.backend.sparse_format import encode, smallest
from compiler.backend.sparsify import OVERHEAD_BYTES, sparsify
from compiler.backend.stored_bytes import stored_bytes
from compiler.tflite import flatbuffer
from tests.backend.networks import conv_file, random_int8, same_outputs


def pruned(shape: tuple[int, ...], block: tuple[int, int], density: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    c_out, k_h, k_w, c_in = shape
    kept = rng.random((c_out // block[1], k_h, k_w, c_in // block[0])) < density
    return random_int8(shape, seed) * kept.repeat(block[1], 0).repeat(block[0], 3).astype(np.int8)


def operators(tflite: bytes) -> Counter[str]:
    return Counter(name for name, _ in flatbuffer.operators(flatbuffer.read(tflite)))


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([(32, 3, 3, 32), (16, 3, 3, 48), (64, 1, 1, 64), (48, 5, 5, 16), (16, 2, 1, 320)]),
    st.sampled_from([(1, 1), (2, 1), (1, 2), (4, 4), (1, 16), (16, 1), (8, 2)]),
    st.floats(0, 0.4),
    st.integers(0, 999),
)
def test_outputs_are_bit_equal_in_both_kinds_of_kernels(
    shape: tuple[int, ...], block: tuple[int, int], density: float, seed: int
) -> None:
    kernel = pruned(shape, block, density, seed)
    dense = conv_file(kernel)
    sparse = sparsify(dense, [block])
    inputs = random_int8((2, 6, 6, shape[3]), seed)
    assert same_outputs(dense, sparse, inputs, "reference")
    assert same_outputs(dense, sparse, inputs, "xnnpack")
    form = smallest(kernel, [block])
    assert form is not None
    if encode(kernel, form).nbytes + OVERHEAD_BYTES < kernel.size:
        assert operators(sparse) == {"DENSIFY": 1, "CONV_2D": 1}
        assert len(sparse) < len(dense)


def test_what_is_stored_is_what_the_encoder_said() -> None:
    kernel = pruned((64, 3, 3, 64), (4, 4), 0.25, 3)
    form = smallest(kernel)
    assert form is not None
    bias = 64 * 4
    assert stored_bytes(sparsify(conv_file(kernel))).weight_bytes == encode(kernel, form).nbytes + bias


def test_a_given_block_size_is_tried() -> None:
    dense = conv_file(pruned((48, 3, 3, 48), (6, 12), 0.3, 4))
    assert len(sparsify(dense, [(6, 12)])) < len(sparsify(dense))


def test_a_kernel_that_would_not_shrink_stays_dense() -> None:
    for kernel in (random_int8((16, 3, 3, 16)), pruned((8, 3, 3, 8), (1, 1), 0.34, 0)):
        dense = conv_file(kernel)
        assert sparsify(dense) == dense


def test_a_sparse_file_is_not_encoded_again() -> None:
    once = sparsify(conv_file(pruned((32, 3, 3, 32), (1, 1), 0.1, 5)))
    assert sparsify(once) == once


def test_a_kernel_that_two_convolutions_share_is_stored_once() -> None:
    dense = conv_file(pruned((32, 3, 3, 32), (2, 2), 0.2, 6), calls=2)
    sparse = sparsify(dense)
    assert operators(sparse) == {"DENSIFY": 1, "CONV_2D": 2}
    assert same_outputs(dense, sparse, random_int8((2, 6, 6, 32)), "xnnpack")


@pytest.mark.parametrize("kernels", ["reference", "xnnpack"])
def test_a_converted_network_with_a_sparse_dense_layer_still_loads(kernels: str) -> None:
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((6, 6, 16))
    x = keras.layers.Conv2D(32, 3, activation="relu")(x)
    x = keras.layers.Conv2D(32, 3)(x)
    outputs = keras.layers.Dense(64)(keras.layers.Flatten()(x))
    model = keras.Model(inputs, outputs)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel * (rng.random(kernel.shape) < 0.1), bias])
    dense = quantize(model, rng.normal(size=(8, 6, 6, 16)).astype(np.float32))
    sparse = sparsify(dense)
    assert operators(sparse) == operators(dense) + Counter(DENSIFY=2)  # the Dense has none
    assert same_outputs(dense, sparse, random_int8((3, 6, 6, 16)), kernels)
    assert len(sparse) < 0.7 * len(dense)
