"""Microcontrollers with TensorFlow Lite Micro (Cortex-M with CMSIS-NN, and anything else TFLM runs on)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from compiler.backend.stored_bytes import stored_bytes
from compiler.backend.targets.agreement import Agreement, compare
from compiler.backend.targets.constraints import (
    GRID,
    depthwise_steps_are_plain,
    few_bits_are_of_convolutions,
    kept_on_grid,
    ranks_on_grid,
    structure_is_dense_when_emitted,
    weights_have_eight_or_four_bits,
)
from compiler.backend.targets.graph import Graph, output_steps, read_graph, without_softmax
from compiler.backend.targets.latency import CORTEX_M7, Processor
from compiler.backend.targets.rewrite import EXPAND
from compiler.backend.targets.samples import Inputs, samples_of
from compiler.backend.targets.target import Constraint, Target
from compiler.backend.targets.tflm import run_tflm
from compiler.backend.verify import run_raw
from compiler.errors import CheckFailed
from compiler.result import TargetFigures


@dataclass(frozen=True)
class CortexM(Target):
    """The plain int8 file on TFLite Micro's operators, verified on its host interpreter."""

    name: ClassVar[str] = "cortex_m"
    title: ClassVar[str] = "microcontrollers with TFLite Micro"
    tool: ClassVar[str] = "TFLite Micro's host interpreter (xmos-ai-tools)"
    packages: ClassVar[tuple[str, ...]] = ("xmos-ai-tools",)
    constraints: ClassVar[tuple[Constraint, ...]] = (
        structure_is_dense_when_emitted,
        ranks_on_grid,
        kept_on_grid,
        depthwise_steps_are_plain,
        few_bits_are_of_convolutions,
        weights_have_eight_or_four_bits,
    )
    processor: ClassVar[Processor] = CORTEX_M7
    arena_evidence: ClassVar[str] = (
        "Packed activations, and what the interpreter keeps for each operator, its constants fitted to 14 small "
        "networks. On ResNet-20, ResNet-8, DS-CNN and MobileNetV1 (wake words) within 0.2 % of the host interpreter's."
    )
    per_tensor_dense: ClassVar[bool] = True
    weight_bits: ClassVar[int] = 4
    expands_in_arena: ClassVar[bool] = True

    def rank_grid(self, rank: str, channels: int, *, fast: bool = False) -> int:
        """4: CMSIS-NN's matrix kernels take four at a time."""
        return GRID

    def kept_bytes(self, graph: Graph) -> int:
        """Nodes, quantization of each output channel, and what kernels prepare."""
        convolutions = [op for op in graph.operators if op.code.endswith("CONV_2D")]
        channels = sum(graph.tensors[op.outputs[0]].shape[-1] for op in convolutions)
        sums = sum(op.code == "ADD" for op in graph.operators)
        operators = sum(op.code != EXPAND for op in graph.operators)
        return 730 + 147 * operators + 124 * len(convolutions) + 8 * channels + 57 * sums

    def compile(self, tflite: bytes, workdir: Path) -> bytes:
        """The file itself: TFLite Micro runs it as it is."""
        return tflite

    def measure(self, tflite: bytes, inputs: Inputs) -> TargetFigures:
        """The file's bytes and the host interpreter's arena; time is an estimate from the operators."""
        graph = read_graph(tflite)
        arena = run_tflm(tflite, samples_of(tflite, inputs)[:1], self.tool)[1]
        return TargetFigures(
            flash_bytes=len(tflite),
            weight_bytes=stored_bytes(tflite).weight_bytes,
            arena_bytes=arena,
            arena_label="measured",
            macs=graph.macs,
            time=self.estimate_time(graph),
            time_unit="cycles",
            time_label="estimate",
        )

    def verify(self, tflite: bytes, inputs: Inputs, original: Agreement | None = None) -> Agreement:
        """TFLite Micro equals the reference kernels before any softmax, but for ties: each FULLY_CONNECTED may round to
        the neighbouring step, since it rounds twice where LiteRT rounds once."""
        logits = without_softmax(tflite)
        samples = samples_of(tflite, inputs)
        run_tflm(tflite, samples[:1], self.tool)
        outputs = run_tflm(logits, samples, self.tool)[0]
        agreement = compare(self.tool, run_raw(logits, inputs, kernels="reference"), outputs, output_steps(logits))
        allowed = sum(op.code == "FULLY_CONNECTED" for op in read_graph(logits).operators)
        assert agreement.max_lsb is not None, "the file was run"
        if agreement.max_lsb > allowed:
            raise CheckFailed(
                f"TFLite Micro computes this file {agreement.max_lsb} output steps away from LiteRT's reference "
                f"kernels, {allowed} allowed: emit it with per-tensor FULLY_CONNECTED, which TFLite Micro can compute"
            )
        return agreement
