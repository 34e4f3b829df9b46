"""Arm Ethos-U microNPUs: the int8 file through Vela, which codes the weights and plans the SRAM.

Vela stores kernels as a Golomb-Rice coded stream, zeros as coded runs, over blocks padded to 32 input and 8 output
channels, and 10 bytes of bias, scale and shift for each output channel. Its size is predicted as

    padded weights · H(p) / 8  +  non-zero weights · 0.944 B,        H(p) the binary entropy of the non-zero share p

that is, an ideal code of where the zeros are, padding included, and Vela's own figure for Gaussian values. A kernel of
few values goes through a palette: int8 as it is, it takes about as many bits as its values need (`PALETTE_BITS`), and
each zero of the padding `PADDED_BITS`.

Vela spends SRAM on speed: unless it is told how much there is, it stages every kernel in it whose stream that hides,
and ResNet-8 takes 51,840 B where 35,840 are enough. So it is told (`within`).
"""

from __future__ import annotations

import csv
import math
import re
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from compiler.backend.stored_bytes import StoredBytes, stored_bytes
from compiler.backend.targets.agreement import Agreement
from compiler.backend.targets.arena import alive_at_operators
from compiler.backend.targets.constraints import depthwise_steps_are_plain, few_bits_are_of_convolutions
from compiler.backend.targets.cost import Emitted, round_up
from compiler.backend.targets.graph import Graph
from compiler.backend.targets.latency import ETHOS_U55_128, Processor
from compiler.backend.targets.samples import Inputs
from compiler.backend.targets.target import Constraint, Target
from compiler.backend.targets.tool import require, run_tool
from compiler.backend.verify import run_raw
from compiler.errors import BadInput, CheckFailed
from compiler.result import TargetFigures

SYSTEMS = {
    "ethos-u55": "Ethos_U55_High_End_Embedded",
    "ethos-u65": "Ethos_U65_Embedded",
    "ethos-u85": "Ethos_U85_SYS_Flash_High",
}
ACCELERATORS = tuple(
    f"ethos-{series}-{macs}"
    for series, sizes in (("u55", (32, 64, 128, 256)), ("u65", (256, 512)), ("u85", (128, 256, 512, 1024, 2048)))
    for macs in sizes
)
IFM_DEPTH, DEPTH = 32, 8  # channels of an input block and of an output micro-block of U55-128
BRICK = 16  # channels of a brick of a feature map
RECORD_BYTES = 10  # bias, scale and shift of an output channel
BYTES_PER_VALUE = 0.944  # of a coded non-zero weight
PALETTE_BITS = {4: 3.75, 3: 3.15, 2.5: 2.7, 2.1: 2.25, 1.7: 1.85, 1.3: 1.5}  # of a weight, by the bits it was made for
PADDED_BITS = 0.5  # 0.2 where many channels are padded, 0.6 where few are
PALETTE_BYTES = 64  # and where the stream is cut


@dataclass(frozen=True)
class EthosU(Target):
    """Ethos-U55-128 unless another accelerator is named; all figures are Vela's estimates."""

    accelerator: str = "ethos-u55-128"
    sram_bytes: int | None = None  # that Vela is told to keep to where it can; None: as much as it likes

    name: ClassVar[str] = "ethos_u"
    title: ClassVar[str] = "Arm Ethos-U microNPUs"
    tool: ClassVar[str] = "Vela (ethos-u-vela)"
    packages: ClassVar[tuple[str, ...]] = ("ethos-u-vela",)
    constraints: ClassVar[tuple[Constraint, ...]] = (depthwise_steps_are_plain, few_bits_are_of_convolutions)
    processor: ClassVar[Processor] = ETHOS_U55_128
    arena_evidence: ClassVar[str] = (
        "The largest sum over operators of live feature maps, in bricks of 16 channels, moved by what Vela needs less "
        "(stripes) or more for the original. It is told of as much SRAM as the original takes unless told, or as "
        "--max_arena_bytes allows (--arena-cache-size): with less it stages fewer weights and is slower. Unmoved, the "
        "estimate lies between the least that Vela needs and what it takes unless told, on all networks tried."
    )
    per_tensor_dense: ClassVar[bool] = True
    packs_four_bits: ClassVar[bool] = False  # Vela knows int8 only, and sees by itself that values are few
    weight_bits: ClassVar[int] = 2  # coded in flash, decoded on their way to the NPU
    is_tflite: ClassVar[bool] = False
    counted: ClassVar[str] = "Vela file"
    io: ClassVar[tuple[str, ...]] = ("int8", "uint8")  # Vela leaves conversions of float to the CPU
    conv_file_bytes: ClassVar[int] = 100  # commands
    scale_file_bytes: ClassVar[float] = 1.6
    selects_by: ClassVar[str] = "conv"  # Vela leaves GATHER to the CPU

    def __post_init__(self) -> None:
        if self.accelerator not in ACCELERATORS:
            raise BadInput(f"there is no accelerator {self.accelerator!r}: use one of {', '.join(ACCELERATORS)}")

    def rank_grid(self, rank: str, channels: int, *, fast: bool = False) -> int:
        """8: the depth of an output micro-block, to which Vela pads."""
        return DEPTH if channels >= 2 * DEPTH else 4

    def constant_bytes(self, emitted: Emitted) -> int:
        """Estimate of the coded kernel, and the bias and scale records."""
        k_h, k_w, c_in, c_out = emitted.kernel
        padded = k_h * k_w * round_up(c_in, IFM_DEPTH) * round_up(c_out, DEPTH)
        if emitted.bits in PALETTE_BITS:
            bits = emitted.weights * PALETTE_BITS[emitted.bits] + (padded - emitted.weights) * PADDED_BITS
            return math.ceil(bits / 8) + PALETTE_BYTES + RECORD_BYTES * c_out
        group = 1 if emitted.block is None else emitted.block[0] * emitted.block[1]
        nonzero = emitted.weights if emitted.kept is None else min(emitted.weights, emitted.kept * group)
        return round(padded * entropy(nonzero / padded) / 8 + nonzero * BYTES_PER_VALUE) + RECORD_BYTES * c_out

    def packed_arena(self, graph: Graph) -> int:
        """The largest sum over operators of live feature maps, in bricks of 16 channels."""
        borders = {*graph.inputs, *graph.outputs}

        def width(index: int) -> int:
            tensor = graph.tensors[index]
            if index in borders or len(tensor.shape) != 4:
                return round_up(tensor.bytes, BRICK)
            return tensor.elements // tensor.shape[3] * round_up(tensor.shape[3], BRICK)

        return max((sum(map(width, now)) for now in alive_at_operators(graph)), default=0)

    def within(self, ram_bytes: float) -> EthosU:
        """With Vela told so: it stages fewer weights and cuts layers into stripes, and may need more all the same."""
        return replace(self, sram_bytes=max(1, math.floor(ram_bytes)))

    def stored(self, tflite: bytes) -> StoredBytes:
        """Of the file that Vela writes: coded weights with their records, and the whole file."""
        with tempfile.TemporaryDirectory() as folder:
            vela = self.run_vela(tflite, Path(folder))
        return StoredBytes(stored_bytes(tflite).params, vela.constant_bytes, len(vela.artefact))

    def stores_whole(self, structure: str) -> bool:
        """Single weights and blocks stay zeros of a whole kernel: the weight coder makes them cheap."""
        return structure in ("unstructured", "block")

    def compile(self, tflite: bytes, workdir: Path) -> bytes:
        """Vela's file, in which one custom operator holds the NPU's commands and coded weights."""
        return self.run_vela(tflite, workdir).artefact

    def files(self, tflite: bytes, name: str, borders: tuple[str, str] | None = None) -> dict[str, bytes]:
        """The file that Vela writes."""
        with tempfile.TemporaryDirectory() as folder:
            return {f"{name}_vela.tflite": self.compile(tflite, Path(folder))}

    def measure(self, tflite: bytes, inputs: Inputs) -> TargetFigures:
        """Vela's own estimates; nothing runs."""
        with tempfile.TemporaryDirectory() as folder:
            vela = self.run_vela(tflite, Path(folder))
        return TargetFigures(
            flash_bytes=len(vela.artefact),
            weight_bytes=vela.constant_bytes,
            arena_bytes=round(1024 * float(vela.summary["sram_memory_used"])),
            arena_label="estimate",
            macs=int(float(vela.summary["nn_macs"])),
            time=float(vela.summary["cycles_total"]),
            time_unit="cycles",
            time_label="estimate",
            extra=(
                ("accelerator", self.accelerator),
                *([("vela_options", " ".join(self.sram_options))] if self.sram_options else []),
                ("inference_ms", 1e3 * float(vela.summary["inference_time"])),
                ("operators_on_cpu", vela.operators_on_cpu),
            ),
        )

    def verify(self, tflite: bytes, inputs: Inputs, original: Agreement | None = None) -> Agreement:
        """Vela takes every operator to the NPU; there is no interpreter here that could run its file."""
        run_raw(tflite, inputs, kernels="reference")
        with tempfile.TemporaryDirectory() as folder:
            vela = self.run_vela(tflite, Path(folder))
        if vela.operators_on_cpu:
            left = ", ".join(sorted(vela.types_on_cpu)) or "no reason given"
            raise CheckFailed(
                f"Vela leaves {vela.operators_on_cpu} operators of this file to the CPU ({left}): exclude the "
                "layers that need them, or use --target cortex_m"
            )
        return Agreement(by=self.tool, executed=False)

    @property
    def sram_options(self) -> list[str]:
        return [] if self.sram_bytes is None else ["--arena-cache-size", str(self.sram_bytes)]

    def run_vela(self, tflite: bytes, workdir: Path) -> VelaRun:
        """Compile with Vela. Raises CheckFailed where it fails, BadInput where it is not installed."""
        require("ethosu.vela", "ethos-u-vela")
        (workdir / "network.tflite").write_bytes(tflite)
        system = SYSTEMS[self.accelerator.rsplit("-", 1)[0]]
        command = [sys.executable, "-m", "ethosu.vela", "network.tflite", "--output-dir", "."]
        command += ["--accelerator-config", self.accelerator, "--config", "Arm/vela.ini"]
        command += ["--system-config", system, "--memory-mode", "Shared_Sram"]
        command += self.sram_options
        printed = run_tool(command, "Vela", workdir)
        with (workdir / f"network_summary_{system}.csv").open(newline="") as file:
            summary = next(csv.DictReader(file))
        return VelaRun((workdir / "network_vela.tflite").read_bytes(), summary, printed)


def entropy(share: float) -> float:
    """Bits of one yes-or-no with this share of yes."""
    return 0.0 if share in (0.0, 1.0) else -share * math.log2(share) - (1 - share) * math.log2(1 - share)


@dataclass(frozen=True)
class VelaRun:
    """What one run of Vela left behind."""

    artefact: bytes
    summary: dict[str, str]
    printed: str

    @property
    def constant_bytes(self) -> int:
        """What Vela places in flash: coded weights, bias and scale records, tables."""
        return round(1024 * (float(self.summary["off_chip_flash_memory_used"])))

    @property
    def operators_on_cpu(self) -> int:
        found = re.search(r"CPU operators = (\d+)", self.printed)
        if found is None:
            raise CheckFailed("Vela printed no count of CPU operators: use the version that requirements.txt names")
        return int(found.group(1))

    @property
    def types_on_cpu(self) -> set[str]:
        """The operators that stay on the CPU, by type."""
        return set(re.findall(r"Warning \(supported operators\) operator: (\w+)", self.printed))
