"""Sparse constants unpack to what they were made of, in every encoding; damaged ones are refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from compiler.backend.sparse_format import SparseFormat, encode
from compiler.backend.sparsify import _metadata, sparsify
from compiler.backend.targets.c.graph import read_graph
from compiler.errors import BadInput
from compiler.tflite import flatbuffer
from compiler.tflite.densify import densify
from tests.kernels.random_network import RandomNetwork


def kernel() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.integers(-127, 128, (8, 3, 2, 4)) * (rng.random((8, 3, 2, 4)) < 0.2)).astype(np.int8)


def sparsity_of(ohwi: np.ndarray, form: SparseFormat) -> tuple[np.ndarray, schema.SparsityParametersT]:
    encoded = encode(ohwi, form)
    return encoded.values, schema.SparsityParametersT(
        traversalOrder=np.array([*form.order, *range(4, len(encoded.levels))], np.int32),
        blockMap=np.array([axis for axis, _ in form.blocked_axes], np.int32) if form.blocked_axes else None,
        dimMetadata=[_metadata(level) for level in encoded.levels],
    )


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 0, 2, 1), (1, 2, 0, 3)])
@pytest.mark.parametrize("block", [(1, 1), (4, 4), (2, 1), (1, 8)])
def test_every_encoding(order: tuple[int, ...], block: tuple[int, int]) -> None:
    for sparse in itertools.product([False, True], repeat=4):
        values, sparsity = sparsity_of(kernel(), SparseFormat(order, sparse, block))
        assert np.array_equal(densify(values, sparsity, kernel().shape, "k"), kernel())


def test_damaged_sparsity_is_refused() -> None:
    values, sparsity = sparsity_of(kernel(), SparseFormat((0, 1, 2, 3), (True, True, True, True)))
    with pytest.raises(BadInput, match="doesn't fit"):
        densify(values[:-1], sparsity, kernel().shape, "k")
    with pytest.raises(BadInput, match="doesn't fit"):
        densify(values, sparsity, (8, 3, 2, 1), "k")
    sparsity.dimMetadata[3].arrayIndices.values[:] = 200
    with pytest.raises(BadInput, match="doesn't fit"):
        densify(values, sparsity, kernel().shape, "k")


def test_a_graph_reads_densify_as_a_constant() -> None:
    net = RandomNetwork((8, 8, 32))
    dense = net.tflite(net.conv(net.input, 32, (3, 3), density=0.1))
    sparse = sparsify(dense)
    assert any(name == "DENSIFY" for name, _ in flatbuffer.operators(flatbuffer.read(sparse)))
    (before,), (after,) = read_graph(dense).operators, read_graph(sparse).operators
    assert np.array_equal(before.constant(1), after.constant(1))
    assert before.input(1).scales == after.input(1).scales
