"""Microcontrollers without an interpreter: the network as plain C99 with this project's own kernels.

What lies in flash follows from the weights, of each convolution

    kernel     one byte a weight; or, of a kernel with zeros, one byte a kept weight and one bit a position (bitmap), or
               the kept blocks and one bit a block, whichever is least, and 3 bytes that may be read behind the bits;
               or, of a kernel of few bits, an entropy code (conv2d_coded_s8), whose bytes only the weights can tell
    + 2 to 4 B a channel of bias, + 2 B a channel of factors (1 of fewer than four bits, 5 where calls share a kernel),
    + 60 B of geometry

and kernels are executed as they are stored, never expanded in RAM (of a code, a slice of 64 weights at a time).
"""

from __future__ import annotations

import functools
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from compiler.backend.stored_bytes import StoredBytes
from compiler.backend.targets.agreement import Agreement, compare
from compiler.backend.targets.c.board import BOARDS, BoardRun, missing_tools, run_on_board
from compiler.backend.targets.c.compose import MOST_KEPT, compose, refuse_name
from compiler.backend.targets.c.emit import emit
from compiler.backend.targets.c.estimate_arena import arena_fits, estimate_arena
from compiler.backend.targets.c.host import host_compiler, run_on_host
from compiler.backend.targets.c.int8_borders import int8_borders
from compiler.backend.targets.c.operators.conv import PARAMS_BYTES
from compiler.backend.targets.c.operators.fully_connected import PARAMS_BYTES as DENSE_PARAMS_BYTES
from compiler.backend.targets.c.pack_weights import BLOCKS, READ_AHEAD
from compiler.backend.targets.constraints import depthwise_steps_are_plain, few_bits_are_of_convolutions
from compiler.backend.targets.cost import BIAS_BYTES
from compiler.backend.targets.cost import Emitted as Convolution
from compiler.backend.targets.graph import Graph, output_steps, read_graph
from compiler.backend.targets.latency import Processor
from compiler.backend.targets.samples import Inputs, samples_of
from compiler.backend.targets.target import Constraint, Target
from compiler.backend.verify import run_raw
from compiler.errors import CheckFailed
from compiler.result import TargetFigures
from compiler.types import FOUR_BITS, Choice, ConvSite
from kernels.reference.bitmap import bitmap_bytes
from kernels.reference.block import block_bytes
from kernels.reference.coded import READ_AHEAD as BEHIND_CODES

FACTOR_BYTES, CODED_FACTOR_BYTES = 2, 1  # for each output channel, of short scales
DENSE_FACTOR_BYTES = 9  # int64 and uint8
# Of a weight, by the bits it was made for, as trained networks have it.
CODED_BITS = {4: 3.6, 3: 3.03, 2.5: 2.53, 2.1: 2.12, 1.7: 1.71, 1.3: 1.3}
SHARES_BYTES = 12  # of the values, some nine to fifteen
BOARD = "cortex-m4"
CORTEX_M4_C = Processor(
    "instructions",
    macs=0.4,
    depthwise_macs=0.14,
    outputs=0.02,
    bytes=0.12,
    start=300,
    grid=(1, 2),
    evidence="Fitted to single convolutions of the portable kernels in QEMU, one instruction each (docs/kernels.md). "
    "On networks that it was not fitted to: ResNet-8 −14 %, DS-CNN −27 %, MobileNetV1 (wake words) +5 %. Kernels with "
    "zeros are taken to be dense. Coded kernels take 1.4 to 2.0 times the instructions of dense ones.",
    few_bits=1.6,
)


def dense_layer_has_no_sparse_kernel(site: ConvSite, choice: Choice) -> str | None:
    """The C kernels execute convolutions from sparse weights, and FULLY_CONNECTED from dense ones only, so a Dense
    layer has no branch that is stored sparse."""
    if site.kind != "dense" or choice.structure not in ("unstructured", "block"):
        return None
    return f"Layer '{site.name}' is Dense and asks for {choice.structure}: use filter, channel or no branch."


@dataclass(frozen=True)
class PlainC(Target):
    """A folder of C99 that needs no interpreter and no library: weights in flash, one static arena. Sparse kernels are
    executed from their compressed form, layers and whole blocks are streamed row by row (docs/kernels.md)."""

    c_name: str = "model"  # prefix of files and functions

    name: ClassVar[str] = "c"
    title: ClassVar[str] = "microcontrollers without an interpreter"
    tool: ClassVar[str] = "the emitted C99 (this machine's C compiler)"
    constraints: ClassVar[tuple[Constraint, ...]] = (
        dense_layer_has_no_sparse_kernel,
        depthwise_steps_are_plain,
        few_bits_are_of_convolutions,
    )
    processor: ClassVar[Processor] = CORTEX_M4_C
    arena_evidence: ClassVar[str] = (
        "The emitter's own planning, spans of operators streamed and maps run into each other, with padding guessed "
        "from shapes. Equal to the emitted arena on ResNet-8, DS-CNN and MobileNetV1 (wake words)."
    )
    short_scales: ClassVar[bool] = True
    sparse_storage: ClassVar[bool] = True
    streams: ClassVar[bool] = True
    is_tflite: ClassVar[bool] = False
    is_source: ClassVar[bool] = True
    weight_bits: ClassVar[int] = 2  # decoded as they are read
    counted: ClassVar[str] = "constants in flash"  # the .tflite is not flashed, and source has no size that counts
    selection_file_bytes: ClassVar[int] = 0  # indices, and the geometry of a PAD
    add_file_bytes: ClassVar[int] = 40  # add_params and, in a stream, stream_stage

    def __post_init__(self) -> None:
        refuse_name(self.c_name)

    def rank_grid(self, rank: str, channels: int, *, fast: bool = False) -> int:
        """1 for the smallest flash; 2 for speed: the kernels compute two channels at a time."""
        return 2 if fast and channels > 2 else 1

    def constant_bytes(self, emitted: Convolution) -> int:
        """Bias and the smallest form of the kernel: dense, bitmap or blocks. An estimate where the kernel is coded, and
        of the bias; else exact, and an upper bound where weights that are kept round to 0."""
        return self.bias_bytes(emitted) * emitted.kernel[3] + self.kernel_bytes(emitted)

    @staticmethod
    def bias_bytes(emitted: Convolution) -> int:
        """Of an output channel: what int32 has to hold at the scales that trained networks were seen to have, where a
        step of few bits is a coarser unit."""
        if emitted.kind == "dense":
            return BIAS_BYTES
        return 2 if emitted.bits in CODED_BITS else 3

    @staticmethod
    def kernel_bytes(emitted: Convolution) -> int:
        """Bytes of one kernel, with the bits that say where its weights are."""
        if emitted.bits in CODED_BITS:
            coded = math.ceil(emitted.weights * CODED_BITS[emitted.bits] / 8)
            return SHARES_BYTES + coded + BEHIND_CODES
        if emitted.kept is None or emitted.structure is None or emitted.kind == "dense":
            return emitted.weights
        b_in, b_out = emitted.block or (1, 1)
        kept = min(emitted.weights, emitted.kept * b_in * b_out)
        if kept > MOST_KEPT * emitted.weights:
            return emitted.weights
        forms = [bitmap_bytes(emitted.kernel, kept)]
        for block in BLOCKS:
            if b_in % block[0] == 0 and b_out % block[1] == 0:
                forms.append(block_bytes(emitted.kernel, block, kept // math.prod(block)))
        return min(emitted.weights, min(forms) + READ_AHEAD.nbytes)

    def operator_bytes(self, emitted: Convolution) -> int:
        """Factors and geometry."""
        if emitted.kind == "dense":
            return DENSE_PARAMS_BYTES + DENSE_FACTOR_BYTES * emitted.kernel[3]
        factor = CODED_FACTOR_BYTES if emitted.bits < FOUR_BITS else FACTOR_BYTES
        return PARAMS_BYTES + factor * emitted.kernel[3]

    def packed_arena(self, graph: Graph) -> int:
        """The arena that the emitter would plan."""
        return estimate_arena(graph)

    def arena_fits(self, graph: Graph, limit: float) -> bool:
        return arena_fits(graph, limit - self.kept_bytes(graph))

    def stored(self, tflite: bytes) -> StoredBytes:
        """Of the emitted C: kernels as they are stored, biases and constant operands; and all of its constants."""
        emitted = compose(tflite)
        return StoredBytes(emitted.params, emitted.weight_bytes, emitted.constant_bytes)

    def compile(self, tflite: bytes, workdir: Path) -> bytes:
        """A folder of C99 beside the .tflite, `<name>.c`: the network, its kernels, CMakeLists.txt and main.c."""
        return emit(tflite, workdir, name=self.c_name).texts[f"{self.c_name}.c"].encode()

    def files(self, tflite: bytes, name: str, borders: tuple[str, str] | None = None) -> dict[str, bytes]:
        """The folder `<name>.c`."""
        texts = compose(tflite, name=self.c_name, borders=borders).texts
        return {f"{name}.c/{file}": text.encode() for file, text in texts.items()}

    def measure(self, tflite: bytes, inputs: Inputs) -> TargetFigures:
        """Flash and instructions of a Cortex-M4, read from the image that GNU's Arm compiler links and counted by QEMU
        (an instruction is not a cycle); without these tools flash is the constants alone and the instructions are an
        estimate. The arena is exact: it is a static array."""
        return self.figures(tflite, board_run(tflite, samples_of(int8_borders(tflite), inputs)[0][0].tobytes()))

    def measure_in_turn(
        self, original: bytes, compressed: bytes, inputs: Inputs
    ) -> tuple[TargetFigures, TargetFigures]:
        """As `measure`; where the board holds only one of the two, both are estimated."""
        before, after = self.measure(original, inputs), self.measure(compressed, inputs)
        if before.time_label == after.time_label:
            return before, after
        why = str({**dict(before.extra), **dict(after.extra)}["board"])
        return self.figures(original, why), self.figures(compressed, why)

    def figures(self, tflite: bytes, run: BoardRun | str) -> TargetFigures:
        """Of a file, with its run on the board; or with why there is none, and then estimates."""
        graph = read_graph(tflite)
        emitted = compose(tflite)
        flash, time, time_label = emitted.constant_bytes, self.estimate_time(graph), "estimate"
        flash_label = "constants alone"
        extra: tuple[tuple[str, float | str], ...] = (
            ("kernel_calls", emitted.calls),
            ("streams", emitted.streamed),
        )
        if isinstance(run, BoardRun):
            flash, time, time_label = run.flash_bytes, float(run.instructions), "measured"
            flash_label = f"kernels and constants, linked for a {BOARD}"
            extra += (("code_bytes", run.code_bytes), ("stack_bytes", run.stack_bytes))
        else:
            extra += (("board", run),)
        return TargetFigures(
            flash_bytes=flash,
            weight_bytes=emitted.weight_bytes,
            arena_bytes=emitted.arena_bytes,
            arena_label="measured",
            macs=graph.macs,
            time=time,
            time_unit="instructions",
            time_label=time_label,
            extra=extra,
            flash_label=flash_label,
        )

    def verify(self, tflite: bytes, inputs: Inputs, original: Agreement | None = None) -> Agreement:
        """The emitted C, compiled for this machine, equals the reference kernels in every bit; where there is no C
        compiler nothing is run."""
        emitted, network, compiler = compose(tflite), int8_borders(tflite), host_compiler()
        if compiler is None:
            return Agreement(by=self.tool, executed=False)
        quantized = quantized_inputs(network, inputs)
        reference = run_raw(network, quantized, kernels="reference")
        outputs = run_on_host(emitted, quantized, compiler).reshape(reference[0].shape)
        agreement = compare(self.tool, reference, [outputs], output_steps(network))
        if agreement.max_lsb:
            raise CheckFailed(
                f"the emitted C is {agreement.max_lsb} output steps away from LiteRT's reference kernels, 0 allowed: "
                "report this network"
            )
        return agreement


def quantized_inputs(network: bytes, inputs: Inputs) -> np.ndarray:
    """(n, …) int8 of a network with one input."""
    return np.concatenate([sample[0] for sample in samples_of(network, inputs)])


@functools.lru_cache(maxsize=8)
def board_run(tflite: bytes, sample: bytes) -> BoardRun | str:
    """One inference on the emulated board, or why there is none."""
    if missing := missing_tools():
        return f"{missing[0]} is not installed (kernels/apt.txt)"
    x = np.frombuffer(sample, np.int8)[None]
    with tempfile.TemporaryDirectory() as folder:
        emit(tflite, Path(folder) / "net")
        try:
            return run_on_board(Path(folder) / "net", x, BOARDS[BOARD], Path(folder) / "board")
        except CheckFailed as error:  # larger than the board's memories, or too slow for the emulation
            return str(error)
