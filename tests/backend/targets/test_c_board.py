"""Emitted networks on emulated Cortex-M boards: LiteRT's bytes, counts that repeat, sizes of the linked image."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from compiler.backend.targets.c import board as board_module
from compiler.backend.targets.c import compose, emit
from compiler.backend.targets.c.board import BOARDS, missing_tools, run_on_board
from compiler.backend.targets.c.graph import read_graph
from compiler.backend.targets.c.operators import add, conv, fully_connected, mean, mul, pad, pool, softmax, stream
from compiler.errors import CheckFailed
from compiler.options import Options
from compiler.pipeline import compress
from kernels import SOURCES
from tests.kernels.litert import run
from tests.kernels.random_network import RandomNetwork


def network() -> bytes:
    net = RandomNetwork((10, 9, 3))
    x = net.conv(net.input, 8, (3, 3), relu=True)
    y = net.conv(net.conv(net.conv(x, 4), 5, (3, 3)), 8)
    x = net.add(y, net.conv(x, 8, (3, 3), density=0.2), relu=True)
    x = net.conv(x, 8, (3, 3), (2, 2), depthwise=True, relu=True)
    x = net.conv(x, 12, (3, 1), density=0.2)  # where the arena has a gap
    x = net.conv(x, 12, (1, 1), density=0.3, block=(4, 4))
    pooled = net.pool(x, x.shape[1:3], (1, 1))
    return net.tflite(net.softmax(net.dense(net.reshape(pooled, (1, 12)), 10)))


needs_board = pytest.mark.skipif(bool(missing_tools()), reason=f"needs {', '.join(missing_tools())} (kernels/apt.txt)")
CARRIED = Path(__file__).resolve().parents[3] / "models" / "digits.keras"


STRUCTS = {  # what the emitter counts for each
    "conv2d_params": conv.PARAMS_BYTES,
    "add_params": add.PARAMS_BYTES,
    "pool_params": pool.PARAMS_BYTES,
    "stream_stage": stream.STAGE_BYTES,
    "stream_params": stream.PARAMS_BYTES,
    "fully_connected_params": fully_connected.PARAMS_BYTES,
    "mean_params": mean.PARAMS_BYTES,
    "mul_params": mul.PARAMS_BYTES,
    "pad_params": pad.PARAMS_BYTES,
    "softmax_params": softmax.PARAMS_BYTES,
}


@needs_board
def test_structs_are_as_large_as_is_counted(tmp_path: Path) -> None:
    checks = "".join(
        f"typedef char check_{name}[sizeof({name}) == {size} ? 1 : -1];\n" for name, size in STRUCTS.items()
    )
    (tmp_path / "sizes.c").write_text(f'#include "kernels.h"\n{checks}')
    command = ["arm-none-eabi-gcc", *BOARDS["cortex-m4"].flags, "-std=c99", f"-I{SOURCES}", "-c", "sizes.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@needs_board
@pytest.mark.parametrize("name", ["cortex-m4", "cortex-m55"])
@pytest.mark.parametrize("options", [(), ("-DKERNELS_SIMD=1",)])
def test_a_board_computes_what_litert_does(tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    tflite = network()
    emitted = emit(tflite, tmp_path / "net")
    assert {f"conv2d_sparse_{kind}_s8.c" for kind in ("bitmap", "planar", "block")} <= set(emitted.files)
    inputs = np.random.default_rng(0).integers(-128, 128, (2, 10 * 9 * 3)).astype(np.int8)
    expected = np.stack([run(tflite, x).ravel() for x in inputs])
    first = run_on_board(tmp_path / "net", inputs, BOARDS[name], tmp_path / "board", options)
    assert np.array_equal(first.outputs, expected)
    assert first.static_bytes == emitted.arena_bytes
    assert emitted.constant_bytes <= first.constant_bytes <= emitted.constant_bytes + 1000  # padding, tables of kernels
    assert 2000 < first.code_bytes < 20000
    assert 100 < first.stack_bytes < 2000
    assert first.instructions > 100_000
    if not options:
        again = run_on_board(tmp_path / "net", inputs, BOARDS[name], tmp_path / "board")
        assert again.instructions == first.instructions


@pytest.fixture(scope="module", params=[8, 4, 2])
def carried(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> tuple[Path, int]:
    """The network that the repository carries, compressed for target c, and how many bits a weight has at least."""
    bits: int = request.param
    output = tmp_path_factory.mktemp("carried") / "digits.tflite"
    compress(Options(input_path=CARRIED, output_path=output, target="c", compression_factor=0.4, weight_bits=bits))
    return output, bits


@needs_board
@pytest.mark.parametrize("name", ["cortex-m4", "cortex-m55"])
def test_the_carried_network_compressed_on_a_board(carried: tuple[Path, int], tmp_path: Path, name: str) -> None:
    output, bits = carried
    tflite, folder = output.read_bytes(), output.with_suffix(".c")
    graph = read_graph(tflite)
    inputs = np.random.default_rng(0).integers(-128, 128, (3, graph.input.size)).astype(np.int8)
    expected = np.stack([run(tflite, x).ravel() for x in inputs])
    assert len(np.unique(expected, axis=0)) == 3, "all outputs are equal: they would hide errors"
    stored = "conv2d_sparse" if bits == 8 else "conv2d_coded"
    assert any(path.name.startswith(stored) for path in folder.iterdir())
    ran = run_on_board(folder, inputs, BOARDS[name], tmp_path)
    assert np.array_equal(ran.outputs, expected)
    assert ran.static_bytes == compose(tflite).arena_bytes


def test_missing_tools_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_module, "TOOLS", ("no-such-tool",))
    with pytest.raises(CheckFailed, match=r"no-such-tool is not installed.*apt\.txt"):
        run_on_board(tmp_path, np.zeros((1, 1)), BOARDS["cortex-m4"], tmp_path)
