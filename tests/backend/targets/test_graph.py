from __future__ import annotations

import numpy as np
import pytest

from compiler.backend.stored_bytes import macs
from compiler.backend.targets.graph import output_steps, read_graph, without_softmax
from compiler.backend.targets.samples import samples_of
from compiler.backend.verify import run_raw
from compiler.errors import BadInput
from tests.backend.targets.int8_network import Int8Network, residual_network

INPUTS = np.random.default_rng(0).normal(size=(4, 8, 8, 4)).astype(np.float32)


def test_reads_operators_tensors_and_arithmetic() -> None:
    tflite = residual_network(16)
    graph = read_graph(tflite)
    assert [op.code for op in graph.operators] == (
        ["CONV_2D", "CONV_2D", "CONV_2D", "ADD", "CONV_2D", "MEAN", "FULLY_CONNECTED", "SOFTMAX"]
    )
    assert graph.macs == macs(tflite) == 64 * 9 * 16 * (4 + 16 + 16) + 16 * 9 * 16 * 32 + 32 * 10
    assert sum(t.bytes for t in graph.tensors if t.constant) > 0
    assert graph.tensors[graph.inputs[0]].shape == (1, 8, 8, 4)


def test_the_softmax_comes_off_and_leaves_the_logits() -> None:
    whole, logits = residual_network(16, softmax=True), residual_network(16, softmax=False)
    codes = [[op.code for op in read_graph(file).operators] for file in (whole, without_softmax(whole))]
    assert codes[0] == [*codes[1], "SOFTMAX"]
    assert without_softmax(logits) == logits
    cut, expected = (run_raw(f, INPUTS, kernels="reference")[0] for f in (without_softmax(whole), logits))
    assert np.array_equal(cut, expected)
    assert output_steps(whole) == (pytest.approx(1 / 256),)


def test_samples_are_quantized_as_the_file_says() -> None:
    tflite = residual_network()
    (first,) = samples_of(tflite, INPUTS)[0]
    assert first.dtype == np.int8
    assert first.shape == (1, 8, 8, 4)
    assert np.array_equal(first[0], np.clip(np.rint(INPUTS[0] / 0.05), -128, 127))
    whole_numbers = np.full((2, 8, 8, 4), 7, np.int8)
    assert np.array_equal(samples_of(tflite, whole_numbers)[1][0][0], whole_numbers[1])


def test_inputs_that_do_not_fit_are_refused() -> None:
    tflite = residual_network()
    with pytest.raises(BadInput, match="1 inputs and 2 arrays"):
        samples_of(tflite, [INPUTS, INPUTS])
    with pytest.raises(BadInput, match="reshape them"):
        samples_of(tflite, INPUTS[:0])


def test_a_zero_point_shifts_the_samples() -> None:
    network = Int8Network((8, 8, 4))
    network.conv(4)
    network.graph.tensors[network.input].quantization.zeroPoint = np.array([-20])
    (first,) = samples_of(network.tflite(), np.zeros((1, 8, 8, 4), np.float32))[0]
    assert np.unique(first) == [-20]


def test_depthwise_arithmetic_counts_one_filter_a_channel() -> None:
    network = Int8Network((8, 8, 4))
    network.depthwise(3)
    tflite = network.tflite()
    assert read_graph(tflite).macs == macs(tflite) == 8 * 8 * 4 * 9
