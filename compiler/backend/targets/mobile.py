"""Phones and single-board computers: LiteRT with XNNPACK, the file as the quantizer wrote it.

The one target whose file may hold sparse tensors (TFLite's sparsity parameters behind DENSIFY): they shrink the
file and the download, not the RAM (XNNPACK holds the expanded kernel beside the arena) and not the time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from compiler.backend.sparse_format import encoded_bytes
from compiler.backend.sparsify import OVERHEAD_BYTES
from compiler.backend.stored_bytes import stored_bytes
from compiler.backend.targets.agreement import Agreement, compare
from compiler.backend.targets.arena import expanded_bytes, live_tensors, packed_bytes
from compiler.backend.targets.constraints import (
    dense_layer_is_not_stored_sparse,
    depthwise_steps_are_plain,
    few_bits_are_of_convolutions,
    weights_have_eight_or_four_bits,
)
from compiler.backend.targets.cost import Emitted
from compiler.backend.targets.graph import output_steps, read_graph, without_softmax
from compiler.backend.targets.latency import XNNPACK, Processor
from compiler.backend.targets.samples import Inputs, samples_of
from compiler.backend.targets.target import Constraint, Target
from compiler.backend.targets.time_in_turn import ratio_of, time_in_turn
from compiler.backend.verify import Kernels, run_raw
from compiler.result import TargetFigures


@dataclass(frozen=True)
class Mobile(Target):
    """LiteRT on a CPU with XNNPACK; latency is measured here, on one thread of this machine."""

    name: ClassVar[str] = "mobile"
    title: ClassVar[str] = "phones and single-board computers"
    tool: ClassVar[str] = "LiteRT with XNNPACK (ai-edge-litert)"
    packages: ClassVar[tuple[str, ...]] = ("ai-edge-litert",)
    constraints: ClassVar[tuple[Constraint, ...]] = (
        dense_layer_is_not_stored_sparse,
        depthwise_steps_are_plain,
        few_bits_are_of_convolutions,
        weights_have_eight_or_four_bits,
    )
    processor: ClassVar[Processor] = XNNPACK
    kernels: ClassVar[Kernels] = "xnnpack"
    sparse_storage: ClassVar[bool] = True

    def rank_grid(self, rank: str, channels: int, *, fast: bool = False) -> int:
        """1 for the smallest file; 16 fills the outputs of XNNPACK's int8 tiles, 8 their inputs."""
        if not fast or channels <= 16:
            return 1
        return 16 if channels > 32 else 8

    def constant_bytes(self, emitted: Emitted) -> int:
        """A kernel with zeros costs what the encoder writes at most; it stays dense where that is no smaller."""
        stored = self.sparse_bytes(emitted)
        return emitted.bias_bytes + (emitted.kernel_bytes if stored is None else stored)

    def densifies(self, emitted: Emitted) -> bool:
        """Where the encoder is smaller than a dense kernel by more than it adds to the file."""
        return self.sparse_bytes(emitted) is not None

    def operator_bytes(self, emitted: Emitted) -> int:
        """A sparse kernel brings DENSIFY and the tables of its levels."""
        return super().operator_bytes(emitted) + (0 if self.sparse_bytes(emitted) is None else OVERHEAD_BYTES)

    @staticmethod
    def sparse_bytes(emitted: Emitted) -> int | None:
        """Bytes of the kernel stored sparse; None where the writer keeps it dense."""
        if emitted.structure is None or emitted.kept is None or emitted.kind == "dense":
            return None
        stored = emitted.encoded or encoded_bytes(emitted.kernel, emitted.structure, emitted.block, emitted.kept)
        return stored if stored + OVERHEAD_BYTES < emitted.weights else None

    def compile(self, tflite: bytes, workdir: Path) -> bytes:
        """The file itself: LiteRT runs it as it is."""
        return tflite

    def measure(self, tflite: bytes, inputs: Inputs) -> TargetFigures:
        """File, packed live tensors and the latency on one thread of this machine."""
        rounds = time_in_turn([(tflite, samples_of(tflite, inputs)[0])])
        return figures(tflite, float(np.median(rounds)))

    def measure_in_turn(
        self, original: bytes, compressed: bytes, inputs: Inputs
    ) -> tuple[TargetFigures, TargetFigures]:
        """As `measure`, the two latencies taken in turn; the second has their ratio, round by round."""
        rounds = time_in_turn([(file, samples_of(file, inputs)[0]) for file in (original, compressed)])
        before, after = (float(ms) for ms in np.median(rounds, axis=0))
        return figures(original, before), replace(figures(compressed, after), time_ratio=ratio_of(rounds))

    def verify(self, tflite: bytes, inputs: Inputs, original: Agreement | None = None) -> Agreement:
        """XNNPACK against the reference kernels, before any softmax; both have to load and run the file."""
        logits = without_softmax(tflite)
        run_raw(tflite, inputs, kernels="xnnpack")
        reference = run_raw(logits, inputs, kernels="reference")
        return compare("LiteRT, XNNPACK", reference, run_raw(logits, inputs, kernels="xnnpack"), output_steps(logits))


def figures(tflite: bytes, milliseconds: float) -> TargetFigures:
    """Figures of a file that LiteRT runs as it is. LiteRT doesn't tell its arena: it is planned here as LiteRT does."""
    graph = read_graph(tflite)
    return TargetFigures(
        flash_bytes=len(tflite),
        weight_bytes=stored_bytes(tflite).weight_bytes,
        arena_bytes=packed_bytes(live_tensors(graph)),
        arena_label="estimate",
        macs=graph.macs,
        time=milliseconds,
        time_unit="ms",
        time_label="measured",
        extra=(("expanded_kernel_bytes", expanded_bytes(graph)),),
    )
