"""Measure target c on emulated Cortex-M boards, write `benchmarks/results/kernels.json`, and the tables of
docs/kernels.md from it.

    python benchmarks/kernels.py                     # everything that has no result yet
    python benchmarks/kernels.py --only resnet8      # rows whose name contains this
    python benchmarks/kernels.py --tables            # the tables only; --check: exit 1 if they are out of date

Each network is compressed by `scripts/compress.py --target c`; its original, its chains of factors and its hybrid are
then built for the boards, streamed and as separate calls, with SIMD and without, beside TFLite Micro's host
interpreter. Every output is compared with LiteRT's reference kernels. Flash at equal accuracy: the size of every
target's artefact that loses one point against the float original (four where there are only 100 unlabelled images) on
all images, of a law fitted to ten to thirty files (`benchmarks/equal_accuracy.py`).

The networks are not part of the repository but for `digits`; those that are missing are left out with a line.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.equal_accuracy import Point, files_near  # noqa: E402
from benchmarks.kernels_tables import write_tables  # noqa: E402
from benchmarks.suites import NETWORKS, Network, shared  # noqa: E402
from compiler.backend.targets import TARGETS  # noqa: E402
from compiler.backend.targets.c import emit  # noqa: E402
from compiler.backend.targets.c.board import BOARDS, Board, build_image, run_image, run_on_board  # noqa: E402
from compiler.backend.targets.c.graph import read_graph  # noqa: E402
from compiler.backend.targets.tflm import run_tflm  # noqa: E402
from compiler.backend.verify import run_raw  # noqa: E402
from compiler.errors import CheckFailed  # noqa: E402
from compiler.tflite import flatbuffer  # noqa: E402
from compiler.tflite.densify import densify  # noqa: E402
from kernels import SOURCES  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "kernels.json"
MEASURED: dict[str, Network] = {
    "digits": NETWORKS["digits"],
    "resnet8": NETWORKS["resnet8"],
    "resnet20": NETWORKS["resnet20"],
    "mobilenet_vww": shared("mobilenet_v1_025_vww.h5", "coco100_96x96.npz", "--input_scale=255"),
    "ds_cnn": NETWORKS["ds_cnn"],
}
# Where flash is compared at equal accuracy 5,000 images tell more than 500: ResNet-20's twin that was trained on such,
# and ResNet-8, which was not, so that its accuracy there is lower.
SHARPER = {"resnet8": shared("resnet8_cifar10.h5", "cifar10_jpeg_dev.npz"), "resnet20": NETWORKS["resnet20_jpeg"]}
FILES = {
    "original": ("--compression_factor=1",),
    "chains": ("--compression_factor=0.5", "--compression_type=tucker"),
    "hybrid": ("--compression_factor=0.5",),
}
BOUND = 0.01  # loss of accuracy of the files that are compared in flash
UNLABELLED, LOOSE_BOUND = "mobilenet_vww", 0.04  # 100 images, changed answers
FORMS: dict[str, dict[str, Any]] = {"streamed": {}, "apart": {"fuse": False}, "dense": {"most_kept": 0.0}}
SIMD = {"portable": (), "SIMD": ("-DKERNELS_SIMD=1",)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="rows whose name contains this (default: all)")
    parser.add_argument("--again", action="store_true", help="measure rows that have a result too (default: off)")
    parser.add_argument("--tables", action="store_true", help="measure nothing, write the tables (default: off)")
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if a table is out of date")
    arguments = parser.parse_args()
    result = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if not (arguments.tables or arguments.check):
        measure_all(result, arguments.only, arguments.again)
    return int(write_tables(result, check=arguments.check) and arguments.check)


def measure_all(result: dict[str, Any], only: str, again: bool) -> None:
    """Fill in what is missing; the file is written after every row."""
    jobs: list[tuple[str, str, Callable[[], Any]]] = [("kernels", "single kernels", single_kernels)]
    present = {}
    for name, network in MEASURED.items():
        if network.missing is None:
            present[name] = network
        else:
            print(f"left out: {name}, {network.missing.name} is not there", flush=True)
    for name, network in present.items():
        jobs += [("networks", f"{name} {file}", partial(on_boards, network, flags)) for file, flags in FILES.items()]
    for name, network in present.items():
        bound = LOOSE_BOUND if name == UNLABELLED else BOUND
        sharper = SHARPER.get(name, network)
        judged = network if sharper.missing else sharper
        jobs += [("flash", f"{name} {t}", partial(at_equal_accuracy, judged, t, bound)) for t in TARGETS]
    for part, row, job in jobs:
        if only not in row or (row in result.get(part, {}) and not again):
            continue
        result.setdefault(part, {})[row] = job()
        print(f"{row}: {json.dumps(result[part][row])[:400]}", flush=True)
        RESULTS.write_text(json.dumps(result, indent=1) + "\n")


def compressed(network: Network, target: str, flags: tuple[str, ...]) -> tuple[bytes, dict[str, Any]]:
    """The file that the compiler writes, and its report."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "net.tflite"
        command = [sys.executable, str(ROOT / "scripts" / "compress.py"), "--quiet", f"--target={target}"]
        command += [f"--input_path={network.file}", f"--output_path={output}", f"--data={network.data}"]
        done = subprocess.run([*command, *network.inputs, *flags], capture_output=True, text=True, check=False)
        if done.returncode:
            raise CheckFailed(f"compress.py: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
        return output.read_bytes(), json.loads(output.with_suffix(".report.json").read_text())


def on_boards(network: Network, flags: tuple[str, ...]) -> dict[str, Any]:
    """Flash, RAM and instructions of one file in every form, and TFLite Micro's arena."""
    tflite, report = compressed(network, "c", flags)
    graph = read_graph(tflite)
    x = np.random.default_rng(0).integers(-128, 128, (1, *graph.input.shape[1:])).astype(np.int8)
    expected = run_raw(tflite, x, kernels="reference")[0].ravel()
    row: dict[str, Any] = {"loss": report["evidence"]["loss"], "kept": report["compressed"]["file_bytes"]}
    row["kept"] /= report["original"]["file_bytes"]
    row |= {"tflm_file_bytes": len(expanded(tflite)), "tflm_arena_bytes": tflm_arena(expanded(tflite), x)}
    for form, options in FORMS.items():
        with tempfile.TemporaryDirectory() as folder:
            emitted = emit(tflite, Path(folder) / "net", **options)
            figures = {"constant_bytes": emitted.constant_bytes, "arena_bytes": emitted.arena_bytes}
            figures["streamed"] = emitted.streamed
            for name, board in BOARDS.items():
                for kind, compiler_flags in SIMD.items():
                    if form != "streamed" and (name, kind) != ("cortex-m4", "portable"):
                        continue
                    run = run_on_board(Path(folder) / "net", x, board, Path(folder) / "board", compiler_flags)
                    if not np.array_equal(run.outputs[0], expected):
                        raise CheckFailed(f"the {form} form differs from LiteRT on {name} ({kind}): report it")
                    figures |= {f"{name}, {kind}": run.instructions}
                    if (name, kind) == ("cortex-m4", "portable"):
                        figures |= {"flash_bytes": run.flash_bytes, "ram_bytes": run.ram_bytes}
                        figures["stack_bytes"] = run.stack_bytes
            row[form] = figures
    return row


def expanded(tflite: bytes) -> bytes:
    """The same network with every kernel dense: TFLite Micro has no DENSIFY."""
    model = flatbuffer.read(tflite)
    main_graph = flatbuffer.subgraph(model)
    kept = []
    for code, operator in flatbuffer.operators(model):
        if code != "DENSIFY":
            kept.append(operator)
            continue
        sparse, dense = (main_graph.tensors[i[0]] for i in (operator.inputs, operator.outputs))
        values = flatbuffer.tensor_array(model, sparse)
        assert values is not None, "DENSIFY unpacks a constant"
        array = densify(values, sparse.sparsity, flatbuffer.shape_of(dense), "kernel")
        model.buffers[sparse.buffer].data = None
        dense.buffer = flatbuffer.add_buffer(model, array)
        sparse.buffer, sparse.sparsity, sparse.shape = 0, None, np.zeros(0, np.int32)
    main_graph.operators = kept
    return flatbuffer.write(model)


def tflm_arena(tflite: bytes, x: np.ndarray) -> int | None:
    """Arena bytes of TFLite Micro's host interpreter, or None where it can't run the file."""
    try:
        return run_tflm(tflite, [(x,)], "TFLite Micro")[1]
    except CheckFailed:
        return None


def at_equal_accuracy(network: Network, target: str, bound: float) -> dict[str, Any]:
    """Sizes of a target's artefact and what they lose on all images, near the size that loses `bound`."""
    row: dict[str, Any] = {"bound": bound, "points": []}

    def measure(share: float) -> Point | None:
        try:
            _, report = compressed(network, target, ("--budget=bytes", f"--compression_factor={share:.4f}"))
        except CheckFailed:
            return None
        size, loss = report["compressed"]["file_bytes"], report["evidence"]["loss"]
        row["points"].append([size, loss])
        row.update(original_flash_bytes=report["original"]["file_bytes"], examples=report["evidence"]["examples"])
        return Point(size / row["original_flash_bytes"], loss)

    files_near(measure, bound)
    return row


def single_kernels() -> list[dict[str, Any]]:
    """Instructions of single convolutions."""
    rows = []
    sources = [ROOT / "benchmarks" / "kernels_bench.c", *sorted(SOURCES.glob("*.c"))]
    sources += [SOURCES / "boards" / "startup.c", SOURCES / "boards" / "count.c"]
    for name, board in BOARDS.items():
        for kind, flags in SIMD.items():
            rows += [{"board": name, "kind": kind, **row} for row in bench(sources, board, flags)]
    return rows


def bench(sources: list[Path], board: Board, flags: tuple[str, ...]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        image = build_image(sources, [SOURCES, SOURCES / "boards"], board, Path(folder), flags)
        printed = run_image(image, board, Path(folder))
    names = ("side", "channels", "k", "percent", "products", "instructions")
    return [
        {"kernel": line.split()[0], **dict(zip(names, map(int, line.split()[1:]), strict=True))}
        for line in printed.splitlines()
    ]


if __name__ == "__main__":
    sys.exit(main())
