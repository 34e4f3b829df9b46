"""XMOS xcore.ai: the int8 file through xcore-opt, which rewrites it for the vector unit and plans its arena.

The vector unit multiplies 32 bytes at a time into 16 accumulators, and xcore-opt lays kernels out for it: filters one
after the other in groups of 16, and so many bytes behind them that the last filter's last load, and the loads of the
filters that the last group lacks, stay inside the tensor. With K = k_h·k_w·c_in bytes a filter that is
512 − (K mod 32, or 32)·(c_out mod 16, or 16) bytes. A table of a 16-bit bias and a 16-bit multiplier for each output
channel replaces bias and scales; an unfilled last group has all its 16 biases. Channels are padded to multiples of 4.
Checked against the files of xcore-opt 1.4.2, byte for byte, in tests/backend/targets/test_xcore.py.
"""

from __future__ import annotations

import glob
import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from compiler.backend.stored_bytes import StoredBytes, stored_bytes
from compiler.backend.targets.agreement import Agreement, compare
from compiler.backend.targets.arena import live_tensors, overlapped, packed_bytes
from compiler.backend.targets.constraints import (
    GRID,
    instead_of_components,
    kept_on_grid,
    ranks_on_grid,
    structure_is_dense_when_emitted,
    weights_have_eight_bits,
)
from compiler.backend.targets.cost import Emitted, round_up
from compiler.backend.targets.graph import CONVOLUTIONS, Graph, Operator, output_steps, read_graph, without_softmax
from compiler.backend.targets.latency import XCORE_THREAD, Processor
from compiler.backend.targets.samples import Inputs, samples_of
from compiler.backend.targets.target import Constraint, Target
from compiler.backend.targets.tflm import run_tflm
from compiler.backend.targets.tool import require, run_tool, script
from compiler.backend.verify import run_raw
from compiler.errors import CheckFailed
from compiler.result import TargetFigures
from compiler.types import Choice, ConvSite

ALIGNMENT = 8
ROUNDING = (*CONVOLUTIONS, "ADD", "MUL", "MEAN", "AVERAGE_POOL_2D")
VECTOR, ACCUMULATORS = 32, 16  # bytes of a load; int8 products are summed in so many accumulators at once


def components_would_add_noise(site: ConvSite, choice: Choice) -> str | None:
    """xcore's kernels round otherwise than LiteRT's, and the components of a CP chain cancel in part, so that the
    difference grows: ResNet-8 with 60 % of its weights came out at 19 dB where the original has 24."""
    if choice.chain != "cp":
        return None
    return f"Layer '{site.name}' asks for cp: use {instead_of_components(site)}."


@dataclass(frozen=True)
class XCore(Target):
    """xcore.ai, 512 KiB a tile for code, arena and graph; verified on the tool's own host interpreter."""

    name: ClassVar[str] = "xcore"
    title: ClassVar[str] = "XMOS xcore.ai"
    tool: ClassVar[str] = "xcore-opt and TFLMHostInterpreter (xmos-ai-tools)"
    packages: ClassVar[tuple[str, ...]] = ("xmos-ai-tools",)
    constraints: ClassVar[tuple[Constraint, ...]] = (
        structure_is_dense_when_emitted,
        ranks_on_grid,
        kept_on_grid,
        components_would_add_noise,
        weights_have_eight_bits,
    )
    processor: ClassVar[Processor] = XCORE_THREAD
    arena_evidence: ClassVar[str] = (
        "xcore-opt's operators packed as it packs them, in place or not, and 70 B for each of them. On ResNet-20, "
        "ResNet-8, DS-CNN and MobileNetV1 (wake words) within 4 % of what xcore-opt prints."
    )
    per_tensor_dense: ClassVar[bool] = True
    is_tflite: ClassVar[bool] = False
    counted: ClassVar[str] = "xcore file"
    io: ClassVar[tuple[str, ...]] = ("int8", "float")  # the lookup of uint8 inputs fails in xcore's interpreter
    conv_file_bytes: ClassVar[int] = 615
    scale_file_bytes: ClassVar[float] = 0.0  # in the table of biases and multipliers

    def rank_grid(self, rank: str, channels: int, *, fast: bool = False) -> int:
        """4; on the fast grid 16, and 32 where the layer is wide enough for full loads."""
        if not fast or channels < 2 * ACCUMULATORS:
            return GRID
        return VECTOR if channels >= 2 * VECTOR else ACCUMULATORS

    def constant_bytes(self, emitted: Emitted) -> int:
        """Kernel and table of one convolution as xcore-opt lays them out."""
        k_h, k_w, c_in, c_out = emitted.kernel
        filter_bytes = k_h * k_w * round_up(c_in, GRID)
        filters = round_up(c_out, GRID)
        last_load, last_group = filter_bytes % VECTOR or VECTOR, filters % ACCUMULATORS or ACCUMULATORS
        kernel = filter_bytes * filters + VECTOR * ACCUMULATORS - last_load * last_group
        table = (
            4 * filters if last_group == ACCUMULATORS else 4 * (filters - last_group) + 2 * (last_group + ACCUMULATORS)
        )
        return kernel + table

    def packed_arena(self, graph: Graph) -> int:
        """The least of three packings: outputs where inputs were for no operator, for PAD, for sums and tables too."""
        lowered = lower(graph)
        packings = (live_tensors(lowered), overlapped(lowered, ("PAD",)), overlapped(lowered, ("PAD", "ADD", "LOOKUP")))
        return min(packed_bytes(p, ALIGNMENT) for p in packings)

    def kept_bytes(self, graph: Graph) -> int:
        """Of each operator as xcore-opt writes it."""
        return 70 * len(lower(graph).operators)

    def stored(self, tflite: bytes) -> StoredBytes:
        """Of the file that xcore-opt writes."""
        with tempfile.TemporaryDirectory() as folder:
            return stored_bytes(self.compile(tflite, Path(folder)))

    def compile(self, tflite: bytes, workdir: Path) -> bytes:
        """The file that xcore-opt writes; beside it in `workdir` its C++ (network_xcore.tflite.cpp) and header."""
        return optimise(tflite, workdir)[0]

    def files(self, tflite: bytes, name: str, borders: tuple[str, str] | None = None) -> dict[str, bytes]:
        """The file that xcore-opt writes, and the C++ and header that run it."""
        with tempfile.TemporaryDirectory() as folder:
            optimise(tflite, Path(folder), name=name)
            return {path.name: path.read_bytes() for path in sorted(Path(folder).glob(f"{glob.escape(name)}_xcore.*"))}

    def measure(self, tflite: bytes, inputs: Inputs) -> TargetFigures:
        """The xcore file's bytes and xcore-opt's arena; time is an estimate from the operators."""
        graph = read_graph(tflite)
        with tempfile.TemporaryDirectory() as folder:
            artefact, report = optimise(tflite, Path(folder))
            streamed = optimise(tflite, Path(folder), "--xcore-weights-file=network.params")
            parameters = (Path(folder) / "network.params").stat().st_size
        return TargetFigures(
            flash_bytes=len(artefact),
            weight_bytes=stored_bytes(artefact).weight_bytes,
            arena_bytes=arena_of(report),
            arena_label="measured",
            macs=graph.macs,
            time=self.estimate_time(graph),
            time_unit="cycles",
            time_label="estimate",
            extra=(
                ("flash_image_bytes_streamed", len(streamed[0]) + parameters),
                ("arena_bytes_streamed", arena_of(streamed[1])),
                ("unoptimised_operators", report.count("Op left unoptimized")),
            ),
        )

    def verify(self, tflite: bytes, inputs: Inputs, original: Agreement | None = None) -> Agreement:
        """The xcore file on the host interpreter against the reference kernels, before any softmax.

        xcore's kernels round differently; the network passes if an operator is no further off than in the original.
        """
        logits = without_softmax(tflite)
        samples = samples_of(tflite, inputs)
        with tempfile.TemporaryDirectory() as folder:
            run_tflm(self.compile(tflite, Path(folder)), samples[:1], self.tool)
            outputs = run_tflm(self.compile(logits, Path(folder)), samples, self.tool)[0]
        agreement = compare(self.tool, run_raw(logits, inputs, kernels="reference"), outputs, output_steps(logits))
        rounded = sum(op.code in ROUNDING for op in read_graph(logits).operators)
        agreement = replace(agreement, rounded=rounded)
        if original is not None:
            agreement.require_no_worse_than(original)
        return agreement


def lower(graph: Graph) -> Graph:
    """The operators of xcore-opt's file: padding and the activation of a sum are operators of their own, and channels
    fill words."""
    tensors = [
        replace(t, shape=(*t.shape[:-1], round_up(t.shape[-1], GRID))) if len(t.shape) == 4 and not t.constant else t
        for t in graph.tensors
    ]
    operators: list[Operator] = []

    def between(shape: tuple[int, ...], like: int) -> int:
        tensors.append(replace(tensors[like], shape=shape, constant=False))
        return len(tensors) - 1

    for op in graph.operators:
        if op.code in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            source, needed = op.inputs[0], needed_input(graph, op)
            _, rows, columns, channels = tensors[source].shape
            if needed[0] > rows or needed[1] > columns:
                padded = between((1, *needed, channels), source)
                operators.append(Operator("PAD", (source,), (padded,), 0))
                op = replace(op, inputs=(padded, *op.inputs[1:]))
            operators.append(op)
        elif op.code == "ADD" and op.activated:
            total = between(tensors[op.outputs[0]].shape, op.outputs[0])
            operators.append(replace(op, outputs=(total,)))
            operators.append(Operator("LOOKUP", (total,), op.outputs, 0))
        else:
            operators.append(op)
    return Graph(tuple(tensors), tuple(operators), graph.inputs, graph.outputs)


def needed_input(graph: Graph, op: Operator) -> tuple[int, ...]:
    """(h, w) of the padded map that a convolution reads (its dilation taken to be 1)."""
    before, after = (graph.tensors[i].shape[1:3] for i in (op.inputs[0], op.outputs[0]))
    kernel = graph.tensors[op.inputs[1]].shape[1:3]
    return tuple((o - 1) * max(1, round(i / o)) + k for i, o, k in zip(before, after, kernel, strict=True))


def optimise(tflite: bytes, workdir: Path, *flags: str, name: str = "network") -> tuple[bytes, str]:
    """xcore-opt's file and what it printed."""
    require("xmos_ai_tools", "xmos-ai-tools")
    given, written = workdir / f"{name}.tflite", workdir / f"{name}_xcore.tflite"
    given.write_bytes(tflite)
    command = [script("xcore-opt"), *flags, "-o", written.name, given.name]
    report = run_tool(command, "xcore-opt", workdir)
    return written.read_bytes(), report


def arena_of(report: str) -> int:
    """Bytes of the arena that xcore-opt prints."""
    found = re.search(r"Tensor arena size\s*:\s*(\d+)", report)
    if found is None:
        raise CheckFailed("xcore-opt printed no arena size: use the version that requirements.txt names")
    return int(found.group(1))
