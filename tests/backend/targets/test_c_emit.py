"""The emitted C equals LiteRT's reference kernels, under the address and undefined-behaviour sanitizers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from compiler.backend.targets.c import Emitted, emit
from tests.backend.targets.c_runner import compile_network, run_network
from tests.kernels.clib import COMPILER
from tests.kernels.litert import run
from tests.kernels.random_network import RandomNetwork, Value

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler to compile the network")


def assert_equal(tflite: bytes, folder: Path, **options: object) -> Emitted:
    emitted = emit(tflite, folder, **options)  # type: ignore[arg-type]
    interpreter_shape = (emitted_input_bytes(folder),)
    inputs = np.random.default_rng(0).integers(-128, 128, (6, *interpreter_shape)).astype(np.int8)
    inputs[3], inputs[4] = -128, 127
    inputs[5] = np.where(inputs[5] < 0, -128, 127)  # the largest sums
    expected = np.stack([run(tflite, x).ravel() for x in inputs])
    assert np.ptp(expected.astype(int), axis=0).max() > 20, "outputs that hardly depend on the input hide errors"
    assert np.array_equal(run_network(compile_network(folder), inputs), expected)
    return emitted


def emitted_input_bytes(folder: Path) -> int:
    header = next(folder.glob("model.h")).read_text()
    return int(header.split("MODEL_INPUT_BYTES ")[1].split()[0])


def hybrid_layer(net: RandomNetwork, x: Value, c_out: int, r_in: int, r_out: int, strides: tuple[int, int]) -> Value:
    """What the compiler makes of a 3×3 layer."""
    first = net.conv(x, r_in)
    core = net.conv(first, r_out, (3, 3), strides)
    last = net.conv(core, c_out)
    sparse = net.conv(x, c_out, (3, 3), strides, density=0.1)
    return net.add(last, sparse, relu=True)


def classifier(net: RandomNetwork, x: Value) -> Value:
    pooled = net.pool(x, x.shape[1:3], (1, 1))
    return net.softmax(net.dense(net.reshape(pooled, (1, x.shape[3])), 10))


@needs_compiler
@pytest.mark.parametrize("fuse", [False, True])
def test_hybrid_network(tmp_path: Path, fuse: bool) -> None:
    net = RandomNetwork((17, 15, 3))
    x = net.conv(net.input, 12, (3, 3), (2, 2), relu=True)
    y = hybrid_layer(net, x, 12, 5, 6, (1, 1))
    x = net.add(x, y, relu=True)
    x = hybrid_layer(net, x, 17, 4, 7, (2, 2))
    emitted = assert_equal(net.tflite(classifier(net, x)), tmp_path / "net", fuse=fuse)
    assert emitted.streamed == (2 if fuse else 0)
    assert ("stream_rows_s8.c" in emitted.files) == fuse
    assert "conv2d_sparse_bitmap_s8.c" in emitted.files


@needs_compiler
def test_streaming_lowers_the_arena(tmp_path: Path) -> None:
    net = RandomNetwork((32, 32, 16))
    x = hybrid_layer(net, net.input, 16, 8, 8, (1, 1))
    tflite = net.tflite(net.mean(x))
    fused, apart = emit(tflite, tmp_path / "a"), emit(tflite, tmp_path / "b", fuse=False)
    assert fused.arena_bytes < 0.7 * apart.arena_bytes


@needs_compiler
def test_chains_of_four_bottlenecks_and_separable_convolutions(tmp_path: Path) -> None:
    net = RandomNetwork((16, 14, 4), seed=1)
    x = net.conv(net.input, 9, (1, 1))  # first · vertical · horizontal · last
    x = net.conv(x, 8, (3, 1), (2, 1))
    x = net.conv(x, 7, (1, 3), (1, 2))
    x = net.conv(x, 16, (1, 1), relu=True)
    skip = x
    x = net.conv(x, 24, (1, 1), relu=True)  # an inverted bottleneck
    x = net.conv(x, 24, (3, 3), depthwise=True, relu=True)
    x = net.conv(x, 16)
    x = net.add(skip, x)
    x = net.conv(x, 32, (5, 3), depthwise=True)  # a depthwise convolution of two kernels a channel, then a 1×1
    x = net.conv(x, 6)
    emitted = assert_equal(net.tflite(classifier(net, x)), tmp_path / "net")
    assert emitted.streamed >= 2


@needs_compiler
@pytest.mark.parametrize("shape", [(8, 32), (32, 8), (64, 4)])
def test_a_reshape_between_convolutions_is_no_stage(tmp_path: Path, shape: tuple[int, int]) -> None:
    """It only renames bytes: what is behind it reads the same value in other rows."""
    net = RandomNetwork((16, 16, 3), seed=3)
    x = net.conv(net.conv(net.input, 24), 24, (3, 3))
    x = net.reshape(x, (1, *shape, 24))
    y = net.conv(net.conv(x, 24, (3, 3)), 24, (3, 3))
    assert_equal(net.tflite(classifier(net, net.add(x, y))), tmp_path / "net")


@needs_compiler
def test_a_reshape_inside_a_block(tmp_path: Path) -> None:
    net = RandomNetwork((16, 16, 8), seed=4)
    x = net.conv(net.input, 8, (3, 3))
    y = net.reshape(net.conv(net.reshape(net.conv(x, 8, (3, 3)), (1, 8, 32, 8)), 8, (3, 3)), (1, 16, 16, 8))
    assert_equal(net.tflite(classifier(net, net.add(x, y))), tmp_path / "net")


@needs_compiler
@pytest.mark.parametrize("fuse", [False, True])
def test_a_point_reads_padding_behind_the_map(tmp_path: Path, fuse: bool) -> None:
    """A PAD of the last row and column alone, folded into a 1×1: there is no padding before, but some behind."""
    net = RandomNetwork((9, 7, 5), seed=5)
    x = net.conv(net.pad(net.input, [(0, 0), (0, 1), (0, 1), (0, 0)]), 6, (1, 1), (1, 1), "VALID")
    x = net.conv(net.pad(x, [(0, 0), (0, 0), (0, 1), (0, 0)]), 6, (1, 1), (1, 1), "VALID")
    x = net.conv(x, 4, (3, 3), (2, 2))
    assert_equal(net.tflite(classifier(net, x)), tmp_path / "net", fuse=fuse)


@needs_compiler
def test_other_operators(tmp_path: Path) -> None:
    net = RandomNetwork((12, 12, 5), seed=2)
    x = net.pad(net.input, [(0, 0), (1, 2), (0, 1), (0, 0)])  # folded into the convolution
    x = net.conv(x, 8, (3, 3), (2, 2), "VALID")
    x = net.unary("RELU", x, x.scale * 0.6, -128)
    x = net.pool(x, (2, 2), (1, 1), average=False)
    x = net.mul_by_channel(x)
    x = net.unary("LOGISTIC", x, 1 / 256, -128)
    x = net.concatenate([x, net.pad(x, [(0, 0), (0, 0), (0, 0), (1, 2)])])
    x = net.gather(x, np.array([3, 1, 0, 9, 9, 5, 15]))
    x = net.unary("LEAKY_RELU", x, x.scale, 3, schema.LeakyReluOptionsT(alpha=0.2))
    x = net.conv(x, 12, (3, 3), dilation=(2, 2), density=0.3, block=(1, 4))
    x = net.unary("TANH", x, 1 / 128, 0)
    x = net.dense(net.mean(x), 10, per_channel=False)
    emitted = assert_equal(net.tflite(x), tmp_path / "net")
    assert emitted.streamed == 0
    assert "pad_s8.c" in emitted.files


@needs_compiler
@pytest.mark.parametrize("density", [0.1, 0.4])
@pytest.mark.parametrize("block", [(1, 1), (4, 4)])
def test_sparse_kernels_are_stored_sparse(tmp_path: Path, density: float, block: tuple[int, int]) -> None:
    net = RandomNetwork((9, 11, 16), seed=3)
    x = net.conv(net.input, 32, (3, 3), density=density, block=block, relu=True)
    emitted = assert_equal(net.tflite(net.mean(x)), tmp_path / "net")
    weights = 32 * 9 * 16
    expected = "conv2d_sparse_bitmap_s8.c" if block == (1, 1) else "conv2d_sparse_block_s8.c"
    assert expected in emitted.files
    assert emitted.constant_bytes < weights * (density + 0.2) + 500
    assert abs(emitted.params - 32 - weights * density) < 0.05 * weights  # bitmaps hold none
    dense = emit(net.tflite(net.mean(x)), tmp_path / "dense", most_kept=0.0)
    assert dense.constant_bytes > weights


@needs_compiler
def test_the_callers_input_is_left_as_it_is(tmp_path: Path) -> None:
    net = RandomNetwork((6, 6, 2), seed=4)
    tflite = net.tflite(net.mean(net.conv(net.input, 5, (3, 3))))
    emit(tflite, tmp_path, name="tiny")
    (tmp_path / "main.c").write_text(
        """#include "tiny.h"
#include <stdio.h>
int main(void)
{
    static int8_t in[TINY_INPUT_BYTES], out[TINY_OUTPUT_BYTES];
    if (fread(in, 1, sizeof in, stdin) != sizeof in) return 1;
    const int8_t first = in[0];
    tiny_run(in, out);
    tiny_run(in, out);
    for (int i = 0; i < TINY_OUTPUT_BYTES; i++) printf("%d ", out[i]);
    return in[0] != first;
}
"""
    )
    x = np.random.default_rng(0).integers(-128, 128, (1, 72)).astype(np.int8)
    assert np.array_equal(run_network(compile_network(tmp_path), x)[0], run(tflite, x).ravel())


@needs_compiler
@pytest.mark.parametrize("file", ["pretrainedResnet_quant", "kws_ref_model", "vww_96_int8"])
def test_networks_of_others(shared: Path, tmp_path: Path, file: str) -> None:
    path = shared / "models" / "tflite" / f"{file}.tflite"
    if not path.exists():
        pytest.skip(f"needs {file}.tflite of ../shared/models/tflite")
    tflite = path.read_bytes()
    emit(tflite, tmp_path / "net")
    executable = compile_network(tmp_path / "net", ("-O2",))
    rng = np.random.default_rng(0)
    inputs = rng.integers(-128, 128, (4, emitted_input_bytes(tmp_path / "net"))).astype(np.int8)
    expected = np.stack([run(tflite, x).ravel() for x in inputs])
    assert np.array_equal(run_network(executable, inputs), expected)


@needs_compiler
@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake (kernels/apt.txt)")
@pytest.mark.parametrize("simd", ["OFF", "ON"])
def test_the_folder_builds_with_cmake(tmp_path: Path, simd: str) -> None:
    net = RandomNetwork((6, 6, 20), seed=6)
    tflite = net.tflite(net.mean(net.conv(net.input, 5, (3, 3))))
    emit(tflite, tmp_path / "net")
    for command in (["-S", "net", "-B", "build", f"-DKERNELS_SIMD={simd}"], ["--build", "build"]):
        subprocess.run(["cmake", *command], cwd=tmp_path, check=True, capture_output=True)
    x = np.random.default_rng(0).integers(-128, 128, (1, 720)).astype(np.int8)
    assert np.array_equal(run_network(tmp_path / "build" / "sample", x)[0], run(tflite, x).ravel())


TOP = """cmake_minimum_required(VERSION 3.13)
project(app C)
add_subdirectory(first)
add_subdirectory(second)
add_executable(app app.c)
target_link_libraries(app PRIVATE first second)
"""
APP = """#include <stdio.h>
#include "first.h"
#include "second.h"
int main(void)
{
    static int8_t in[SECOND_INPUT_BYTES], out[FIRST_OUTPUT_BYTES], other[SECOND_OUTPUT_BYTES];
    first_run(in, out);
    second_run(in, other);
    for (int i = 0; i < FIRST_OUTPUT_BYTES; i++) printf("%d ", out[i]);
    for (int i = 0; i < SECOND_OUTPUT_BYTES; i++) printf("%d ", other[i]);
    return 0;
}
"""


@needs_compiler
@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake (kernels/apt.txt)")
def test_two_networks_in_one_program(tmp_path: Path) -> None:
    expected = []
    for name, seed in (("first", 6), ("second", 8)):
        net = RandomNetwork((6, 6, 20), seed=seed)
        x = net.conv(net.input, 20, (3, 3))
        tflite = net.tflite(net.mean(x if name == "first" else net.add(x, net.input)))
        emit(tflite, tmp_path / name, name=name)
        expected += run(tflite, np.zeros((1, 720), np.int8)).ravel().tolist()
    (tmp_path / "CMakeLists.txt").write_text(TOP)
    (tmp_path / "app.c").write_text(APP)
    for command in (["-S", ".", "-B", "build"], ["--build", "build"]):
        subprocess.run(["cmake", *command], cwd=tmp_path, check=True, capture_output=True)
    said = subprocess.run([str(tmp_path / "build" / "app")], capture_output=True, text=True, check=True).stdout
    assert [int(number) for number in said.split()] == expected
    assert any(expected)


@needs_compiler
def test_a_layer_that_is_applied_twice_is_stored_once(tmp_path: Path) -> None:
    net = RandomNetwork((7, 6, 16), seed=7)
    x = net.conv(net.input, 16, (3, 3), relu=True)
    y = net.conv(x, 16, (3, 3), relu=True)
    once, twice = (operator.inputs for operator in net.graph.operators)
    net.graph.operators[1].inputs = [twice[0], once[1], twice[2]]  # the kernel of the first
    emitted = assert_equal(net.tflite(net.mean(y)), tmp_path / "net")
    assert emitted.weight_bytes == 9 * 16 * 16 + 2 * 3 * 16  # biases of 24 bits
    text = (tmp_path / "net" / "model.c").read_text()
    assert text.count("_weights[2304]") == 1
    assert text.count("_bias[48]") == 2
    assert text.count("= conv_0_weights") == 2


def test_the_same_bytes_twice(tmp_path: Path) -> None:
    net = RandomNetwork((8, 8, 4), seed=5)
    tflite = net.tflite(hybrid_layer(net, net.input, 6, 3, 3, (1, 1)))
    emit(tflite, tmp_path / "a")
    emit(tflite, tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
