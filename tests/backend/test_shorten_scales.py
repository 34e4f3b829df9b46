"""Short scales: the network answers as before, quiet channels don't rule a layer, and the C stores less."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.backend.emit import emit
from compiler.backend.shorten_scales import QUIET_BIAS, quiet_scales, rounded, shorten_scales
from compiler.backend.targets import TARGETS
from compiler.backend.targets.c.compose import compose
from compiler.backend.verify import run_raw
from compiler.tflite import flatbuffer
from kernels.reference.channel_constants import COARSE_BITS
from tests.kernels.random_network import RandomNetwork


def kernel_and_bias(model: schema.ModelT, operator: int) -> tuple[schema.TensorT, schema.TensorT]:
    graph = flatbuffer.subgraph(model)
    _, kernel, bias = (graph.tensors[int(i)] for i in graph.operators[operator].inputs)
    return kernel, bias


def bytes_of(what: str, tflite: bytes) -> list[int]:
    """Of each convolution, as the C stores it."""
    return [int(n) for n in re.findall(rf"\.{what}_bytes\s+=\s+(\d)", compose(tflite).texts["model.c"])]


def answers(tflite: bytes) -> np.ndarray:
    x = np.random.default_rng(1).integers(-128, 128, (8, 7, 6, 16)).astype(np.int8)
    return np.asarray(run_raw(tflite, x, kernels="reference")[0], np.int64)


@given(st.lists(st.floats(1e-30, 1e30), min_size=1))
@settings(deadline=None)
def test_the_nearest_short_scale(scales: list[float]) -> None:
    short = rounded(np.array(scales))
    assert np.all(np.abs(short / np.array(scales) - 1) <= 2.0**-13)
    mantissa, _ = np.frexp(short)
    assert np.array_equal(mantissa * 2**13, np.rint(mantissa * 2**13))
    assert np.array_equal(rounded(short), short)


@pytest.mark.parametrize("off", [0.0, 2.0**-9])
def test_scales_of_six_bits_keep_them_and_take_a_byte(off: float) -> None:
    """Those of quiet channels take six, too; one that has more makes the layer take two."""
    net = RandomNetwork((7, 6, 16), seed=6)
    tflite = net.tflite(net.conv(net.input, 12, (1, 1)))
    model = flatbuffer.read(tflite)
    kernel, bias = kernel_and_bias(model, 0)
    scales = rounded(np.asarray(kernel.quantization.scale, np.float64), COARSE_BITS)
    scales[3] *= 1 + off
    scales[[5, 7]] *= 1e-9  # the median of the ten others has more than six
    bias.quantization.scale = np.asarray(bias.quantization.scale, np.float64) / kernel.quantization.scale * scales
    kernel.quantization.scale = scales.astype(np.float32)
    short = shorten_scales(flatbuffer.write(model))
    assert bytes_of("factor", short) == [2 if off else 1]
    kept = kernel_and_bias(flatbuffer.read(short), 0)[0].quantization.scale
    others = ~np.isin(np.arange(12), [5, 7])
    np.testing.assert_allclose(np.asarray(kept)[others], scales[others], rtol=2.0**-12)


def test_answers_stay_and_every_layer_stores_two_bytes_a_factor() -> None:
    net = RandomNetwork((7, 6, 16), seed=3)
    x = net.conv(net.conv(net.input, 16, (3, 3), relu=True), 16, (3, 3), depthwise=True)
    tflite = net.tflite(net.conv(x, 12, (1, 1)))
    short = shorten_scales(tflite)
    assert np.abs(answers(short) - answers(tflite)).max() <= 2  # of 256 steps, through three layers
    assert bytes_of("factor", tflite) == [5, 5, 5]
    assert bytes_of("factor", short) == [2, 2, 2]
    assert compose(tflite).constant_bytes - compose(short).constant_bytes == 3 * (16 + 16 + 12)
    model = flatbuffer.read(short)
    for operator in range(3):
        kernel, bias = kernel_and_bias(model, operator)
        x = flatbuffer.subgraph(model).tensors[int(flatbuffer.subgraph(model).operators[operator].inputs[0])]
        expected = float(x.quantization.scale[0]) * np.asarray(kernel.quantization.scale, np.float64)
        assert np.allclose(bias.quantization.scale, expected, rtol=1e-6)


def test_a_quiet_channel_takes_a_scale_like_the_others() -> None:
    """Of which training left nothing: the converter's scale is one at which the bias is 2^30."""
    net = RandomNetwork((7, 6, 16), seed=4)
    y = net.conv(net.input, 8, (3, 3))
    model = flatbuffer.read(net.tflite(net.conv(y, 4, (1, 1))))
    kernel, bias = kernel_and_bias(model, 0)
    values = np.array(flatbuffer.tensor_array(model, kernel))
    sums = np.array(flatbuffer.tensor_array(model, bias))
    scales = np.array(kernel.quantization.scale, np.float64)
    real = sums[2] * scales[2]
    values[2] = 0
    values[2, 0, 0, 0] = 3
    scales[2] = abs(real) / 2**30
    sums[2] = np.sign(real) * 2**30
    kernel.buffer, bias.buffer = flatbuffer.add_buffer(model, values), flatbuffer.add_buffer(model, sums)
    kernel.quantization.scale = scales.astype(np.float32)
    tflite = flatbuffer.write(model)
    assert 4 in bytes_of("bias", tflite)
    short = shorten_scales(tflite)
    assert 4 not in bytes_of("bias", short)
    found = flatbuffer.read(short)
    kernel, bias = kernel_and_bias(found, 0)
    stored = flatbuffer.tensor_array(found, bias)
    assert stored is not None
    assert not np.any(np.asarray(flatbuffer.tensor_array(found, kernel))[2])
    assert abs(stored[2]) <= QUIET_BIAS
    assert np.isclose(stored[2] * kernel.quantization.scale[2], real, rtol=1e-3)
    assert np.abs(answers(short) - answers(tflite)).max() <= 2


@pytest.mark.parametrize(("moved", "kept"), [(0.12, False), (0.13, True)])
def test_quiet_is_what_an_eighth_of_a_step_does_not_show(moved: float, kept: bool) -> None:
    """`moved`: output steps by which the channel's one weight can move it."""
    net = RandomNetwork((7, 6, 16), seed=4)
    model = flatbuffer.read(net.tflite(net.conv(net.input, 8, (1, 1))))
    kernel, _ = kernel_and_bias(model, 0)
    graph = flatbuffer.subgraph(model)
    x, out = (graph.tensors[int(ends[0])] for ends in (graph.operators[0].inputs, graph.operators[0].outputs))
    values = np.array(flatbuffer.tensor_array(model, kernel))
    values[2], values[2, 0, 0, 5] = 0, 100
    scales = np.array(kernel.quantization.scale, np.float64)
    scales[2] = moved * out.quantization.scale[0] / (x.quantization.scale[0] * 255 * 100)
    kernel.buffer = flatbuffer.add_buffer(model, values)
    kernel.quantization.scale = scales.astype(np.float32)
    found = flatbuffer.read(shorten_scales(flatbuffer.write(model)))
    after = np.asarray(flatbuffer.tensor_array(found, kernel_and_bias(found, 0)[0]))
    assert bool(after[2].any()) == kept
    assert np.array_equal(np.delete(after, 2, 0), np.delete(values, 2, 0))


@pytest.mark.parametrize(("target", "width"), [("c", 2), ("cortex_m", 5)])
def test_files_for_target_c_have_them(target: str, width: int) -> None:
    inputs = keras.Input((6, 6, 3))
    x = keras.layers.ReLU()(keras.layers.Conv2D(5, 3)(inputs))
    model = keras.Model(inputs, keras.layers.DepthwiseConv2D(3)(x))
    x = np.random.default_rng(0).normal(size=(16, 6, 6, 3)).astype(np.float32)
    assert bytes_of("factor", emit(model, [x], TARGETS[target])) == [width, width]


def test_a_quiet_channel_is_no_coarser_than_an_eighth_of_a_step() -> None:
    """Beside channels whose unit is many output steps."""
    found = quiet_scales(np.array([40.0, 50.0, 1e-6]), np.array([False, False, True]), np.array([0.0, 0.0, 3.0]), 0.5)
    assert found.tolist() == [0.5] * 3
    found = quiet_scales(np.array([0.04, 0.05, 1e-6]), np.array([False, False, True]), np.array([0.0, 0.0, 2e4]), 0.5)
    assert found[2] == pytest.approx(2e4 / QUIET_BIAS)


def test_what_others_read_too_is_left_alone() -> None:
    net = RandomNetwork((7, 6, 16), seed=7)
    x = net.conv(net.input, 16, (3, 3), relu=True)
    y = net.conv(x, 16, (3, 3), relu=True)
    once, twice = (operator.inputs for operator in net.graph.operators)
    net.graph.operators[1].inputs = [twice[0], once[1], twice[2]]
    tflite = net.tflite(y)
    before, after = (kernel_and_bias(flatbuffer.read(t), 0)[0] for t in (tflite, shorten_scales(tflite)))
    assert np.array_equal(before.quantization.scale, after.quantization.scale)
