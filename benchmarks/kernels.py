"""Measure the C target on emulated Cortex-M boards, write `benchmarks/results/kernels.json`, and put the figures into
docs/kernels.md.

    python benchmarks/kernels.py                       # the networks of ../shared/models/tflite, and single kernels
    python benchmarks/kernels.py out/net.tflite …      # these int8 networks too

For each network: the file, TFLite Micro's arena on this machine, and flash, RAM and instructions of the emitted C,
portable and with SIMD, streamed and not, sparse and dense. Every output is compared with LiteRT's reference kernels.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from compiler.backend.targets.c import emit  # noqa: E402
from compiler.backend.targets.c.board import BOARDS, Board, build_image, run_image, run_on_board  # noqa: E402
from compiler.backend.targets.c.graph import read_graph  # noqa: E402
from compiler.errors import CheckFailed  # noqa: E402
from kernels import SOURCES  # noqa: E402

NETWORKS = ROOT.parent / "shared" / "models" / "tflite"
RESULTS = ROOT / "benchmarks" / "results" / "kernels.json"
DOCUMENT = ROOT / "docs" / "kernels.md"
FORMS: dict[str, dict[str, Any]] = {
    "streamed, sparse": {},
    "streamed, dense": {"most_kept": 0.0},
    "apart, sparse": {"fuse": False},
    "apart, dense": {"fuse": False, "most_kept": 0.0},
}
SIMD = {"portable": (), "SIMD": ("-DKERNELS_SIMD=1",)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", type=Path, help="int8 .tflite files to measure too")
    given = parser.parse_args().networks
    found = [
        p for p in sorted(NETWORKS.glob("*.tflite")) if "float" not in p.name and p.name != "pretrainedResnet.tflite"
    ]
    rows: dict[str, Any] = {}
    for path in [*found, *given]:
        rows[path.stem] = measured(path.read_bytes())
        print(f"{path.stem}: {json.dumps(rows[path.stem])}", flush=True)
    result = {"networks": rows, "kernels": single_kernels()}
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    write_figures(result)
    return 0


def measured(tflite: bytes) -> dict[str, Any]:
    """Figures of one network; distinct forms only."""
    source = read_graph(tflite).input
    x = np.random.default_rng(0).integers(-128, 128, (1, *source.shape)).astype(np.int8)
    row: dict[str, Any] = {"file_bytes": len(tflite), "tflm_arena_bytes": tflm_arena(tflite, x), "forms": {}}
    with tempfile.TemporaryDirectory() as folder:
        seen = set()
        for form, options in FORMS.items():
            net = Path(folder) / form.replace(", ", "_")
            emitted = emit(tflite, net, **options)
            if (key := (emitted.arena_bytes, emitted.constant_bytes, emitted.calls)) in seen:
                continue
            seen.add(key)
            row["forms"][form] = {"arena_bytes": emitted.arena_bytes}
            for name, board in BOARDS.items():
                for kind, flags in SIMD.items():
                    run = run_on_board(net, x, board, Path(folder) / "board", flags)
                    if not np.array_equal(run.outputs[0], litert(tflite, x)):
                        raise CheckFailed(f"the {form} form differs from LiteRT on {name} ({kind}): a bug, report it")
                    row["forms"][form][f"{name}, {kind}"] = {
                        "flash_bytes": run.flash_bytes,
                        "ram_bytes": run.ram_bytes,
                        "instructions": run.instructions,
                    }
    return row


def litert(tflite: bytes, x: np.ndarray) -> np.ndarray:
    """Flat output of LiteRT's reference kernels."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(model_content=tflite, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x[0])
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).ravel()


def tflm_arena(tflite: bytes, x: np.ndarray) -> int | None:
    """Arena bytes of TFLite Micro's host interpreter, or None where it can't run the file."""
    from compiler.backend.targets.tflm import run_tflm

    try:
        return run_tflm(tflite, [(x[0],)], "TFLite Micro")[1]
    except CheckFailed:
        return None


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


def write_figures(result: dict[str, Any]) -> None:
    """Replace what stands between the markers in docs/kernels.md."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, rest = text.split("<!-- figures -->\n", 1)
    _, after = rest.split("<!-- end of figures -->", 1)
    tables = network_table(result["networks"]) + "\n" + kernel_table(result["kernels"])
    DOCUMENT.write_text(f"{before}<!-- figures -->\n{tables}<!-- end of figures -->{after}", encoding="utf-8")


def network_table(rows: dict[str, Any]) -> str:
    lines = [
        "| network | form | file | flash | TFLM arena | RAM | M4 | M4 SIMD | M55 | M55 SIMD |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        arena = "–" if row["tflm_arena_bytes"] is None else f"{row['tflm_arena_bytes']:,}"
        for form, figures in row["forms"].items():
            m4 = figures["cortex-m4, portable"]
            counts = [f"{figures[f'{board}, {kind}']['instructions'] / 1e6:.1f}" for board in BOARDS for kind in SIMD]
            cells = [name, form, f"{row['file_bytes']:,}", f"{m4['flash_bytes']:,}", arena, f"{m4['ram_bytes']:,}"]
            lines.append(f"| {' | '.join([*cells, *counts])} |")
    return "\n".join(lines) + "\n"


def kernel_table(rows: list[dict[str, Any]]) -> str:
    lines = ["| board | kernel | 32×32×16 | 16×16×32 | 8×8×64 |", "|---|---|---|---|---|"]
    keys = dict.fromkeys((r["board"], r["kind"], r["kernel"], r["percent"]) for r in rows)
    for board, kind, kernel, percent in keys:
        cells = [
            f"{r['instructions'] / r['products']:.2f}"
            for r in rows
            if (r["board"], r["kind"], r["kernel"], r["percent"]) == (board, kind, kernel, percent)
        ]
        share = f" {percent} %" if percent < 100 else ""
        lines.append(f"| {board}, {kind} | {kernel}{share} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
