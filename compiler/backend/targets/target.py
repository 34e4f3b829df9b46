"""What the compiler asks of a target: a price for every choice, a rule for every rank, and a verdict on the file.

A target is one frozen object in a file of its own, listed in `TARGETS`. The heavy tools (xcore-opt, Vela, the
interpreters) are imported inside the methods that run them, so that pricing needs numpy at most.
"""

from __future__ import annotations

import importlib.metadata
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from compiler.backend.stored_bytes import StoredBytes, stored_bytes
from compiler.backend.targets.agreement import Agreement
from compiler.backend.targets.arena import live_tensors, packed_bytes
from compiler.backend.targets.cost import (
    INDEX_BYTES,
    PAD_BYTES,
    SCALE_BYTES,
    ZERO_POINT_BYTES,
    Emitted,
    Selection,
    chain_of,
    shared_zero_bias_bytes,
    smaller_dense,
    whole_sparse,
)
from compiler.backend.targets.graph import Graph
from compiler.backend.targets.latency import Processor, estimate_time
from compiler.backend.targets.samples import Inputs
from compiler.backend.targets.tool import missing
from compiler.backend.verify import Kernels
from compiler.errors import BadInput, UnsupportedLayer
from compiler.result import TargetFigures
from compiler.types import DENSE, FEW_BITS, INT8_BITS, Choice, ConvSite, Cost

Constraint = Callable[[ConvSite, Choice], str | None]
"""A rule of a target. Its docstring is the sentence that users read; it returns None where a choice keeps it, else
what is wrong with this one and the nearest that the target can hold."""

SMALLER_DENSE = ("filter", "channel", "block")
STRUCTURES = ("unstructured", *SMALLER_DENSE)
ANY_SITE = ConvSite("any", "conv", (3, 3), 64, 64)  # to ask for a structure before there is a network


def branch_of(structure: str, share: float = 0.0) -> Choice:
    """A sparse branch of ANY_SITE that keeps `share` of the weights, at least a few; on every grid."""
    k_h, k_w = ANY_SITE.kernel_size
    block = (4, 4) if structure == "block" else None
    groups = {"unstructured": ANY_SITE.weights, "filter": ANY_SITE.c_out, "channel": ANY_SITE.c_in}
    count = groups[structure] if block is None else k_h * k_w * ANY_SITE.c_in * ANY_SITE.c_out // math.prod(block)
    return Choice("none", structure=structure, block=block, kept=max(4, round(share * count) // 4 * 4))


@dataclass(frozen=True)
class Target(ABC):
    """A kind of device with its tool chain."""

    name: ClassVar[str]
    title: ClassVar[str]
    tool: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()  # of the tool, for its version
    constraints: ClassVar[tuple[Constraint, ...]]
    processor: ClassVar[Processor]
    arena_evidence: ClassVar[str] = "The live tensors packed largest first, as LiteRT does."  # how good the estimate is
    per_tensor_dense: ClassVar[bool] = False  # one scale for each FULLY_CONNECTED kernel
    weight_bits: ClassVar[int] = 8  # the fewest that are offered unless a run says otherwise
    packs_four_bits: ClassVar[bool] = True  # kernels of few bits become TFLite's INT4; else int8 of few values
    expands_in_arena: ClassVar[bool] = False  # such kernels, each for the time it runs
    streams: ClassVar[bool] = False  # operators run together by rows: what one leaves to the next is never whole
    short_scales: ClassVar[bool] = False  # a convolution's scales take less flash where few bits tell them
    sparse_storage: ClassVar[bool] = False  # the file may hold kernels in TFLite's sparse encoding
    selects_by: ClassVar[str] = "gather"  # "gather" (GATHER, PAD) or "conv" (a 1×1 convolution of zeros and ones)
    io: ClassVar[tuple[str, ...]] = ("int8", "uint8", "float")  # types of inputs and outputs that it runs
    kernels: ClassVar[Kernels] = "reference"  # LiteRT's that answer as the target does; accuracy is counted on them
    is_tflite: ClassVar[bool] = True  # the artefact is the TFLite file itself
    is_source: ClassVar[bool] = False  # the artefact is a folder of source, written in every run
    counted: ClassVar[str] = "file"  # what `file_bytes` are bytes of
    # What one more operator adds to the artefact beside constants, fitted to shrunk files (docs/targets.md).
    conv_file_bytes: ClassVar[int] = 250
    scale_file_bytes: ClassVar[float] = SCALE_BYTES  # for each output channel of a convolution
    selection_file_bytes: ClassVar[int] = 110  # of a GATHER or PAD
    add_file_bytes: ClassVar[int] = 150  # of the ADD that joins chain and sparse branch

    # --- what the target can hold -----------------------------------------------------------------------------

    @property
    def structures(self) -> tuple[str, ...]:
        """Structures of a sparse branch that save something on the target, finest last."""
        return tuple(s for s in STRUCTURES if self.breaks(ANY_SITE, branch_of(s)) is None)

    def realises(self, structure: str | None) -> bool:
        """Whether a sparse branch of this structure saves something on the target (None, no branch: always)."""
        return structure is None or structure in self.structures

    def saves(self, structure: str) -> bool:
        """Whether a branch of this structure that keeps a quarter of the weights costs less than the whole kernel: what
        can be held need not be any smaller."""
        branch = branch_of(structure, 0.25)
        whole = self.cost(ANY_SITE, DENSE).weight_bytes
        return structure in self.structures and self.cost(ANY_SITE, branch).weight_bytes < whole

    @property
    def advised(self) -> tuple[str, ...]:
        """The structures that save something on the target, in the order of STRUCTURES."""
        return tuple(s for s in STRUCTURES if self.saves(s))

    def refuse_structure(self, structure: str | None) -> None:
        """Raise BadInput with the reason and the nearest alternative unless the target realises `structure`."""
        if structure is None:
            return
        if structure not in STRUCTURES:
            raise BadInput(f"there is no structure {structure!r}: use one of {', '.join(STRUCTURES)}")
        broken = self.breaks(ANY_SITE, branch_of(structure))
        if broken is not None:
            advised = f"--pruning_structure {' or '.join(self.advised)}, or " if self.advised else ""
            reason = sentence(broken[0])
            raise BadInput(
                f"target {self.name} can't hold {structure} sparsity: {reason} Use {advised}--target mobile."
            )

    def refuse_components(self) -> None:
        """Raise BadInput with the reason unless the target holds CP chains."""
        broken = self.breaks(ANY_SITE, Choice("cp", (4,)))
        if broken is not None:
            raise BadInput(
                f"target {self.name} can't hold CP chains: {sentence(broken[0])} Use --compression_type hybrid."
            )

    @property
    def held_bits(self) -> tuple[int, ...]:
        """Of a weight, the numbers of bits that the target runs convolutions of, 8 first."""
        held = [bits for bits in (INT8_BITS, *FEW_BITS) if self.breaks(ANY_SITE, Choice(bits=bits)) is None]
        return tuple(dict.fromkeys(map(math.ceil, held)))

    def refuse_bits(self, bits: int) -> None:
        """Raise BadInput with the reason unless the target runs convolutions of so many bits a weight."""
        broken = self.breaks(ANY_SITE, Choice(bits=bits))
        if broken is not None:
            held = " or ".join(map(str, self.held_bits))
            raise BadInput(f"--weight_bits {bits}: target {self.name}: {sentence(broken[0])} Use {held}.")

    def breaks(self, site: ConvSite, choice: Choice) -> tuple[Constraint, str] | None:
        """The first constraint that the choice breaks, and how; None if it keeps all."""
        for constraint in self.constraints:
            detail = constraint(site, choice)
            if detail is not None:
                return constraint, detail
        return None

    def refusal(self, site: ConvSite, choice: Choice) -> str | None:
        """Why the target can't hold this choice at this site, and the nearest that it can; None if it can."""
        broken = self.breaks(site, choice)
        return None if broken is None else f"target {self.name}: {sentence(broken[0])} {broken[1]}"

    def check(self, site: ConvSite, choice: Choice) -> None:
        """Raise UnsupportedLayer with the refusal, if there is one."""
        reason = self.refusal(site, choice)
        if reason is not None:
            raise UnsupportedLayer(reason)

    def rank_grid(self, rank: str, channels: int, *, fast: bool = False) -> int:
        """Ranks must be multiples of this (or equal to `channels`, which drops the factor).

        rank      "r", "r_in", "r_mid" or "r_out".
        channels  what the rank reduces: c_in, c_out, or either for "r" and "r_mid".
        fast      the coarser grid of the target's fastest kernels, where it has one and `channels` is large enough.
        """
        return 1

    # --- what a graph takes -----------------------------------------------------------------------------------

    def estimate_arena(self, graph: Graph) -> int:
        """Bytes of RAM for the operators of a TFLite file, written or planned (see `rewrite`)."""
        return self.packed_arena(graph) + self.kept_bytes(graph)

    def arena_fits(self, graph: Graph, limit: float) -> bool:
        """Whether the estimate is within the limit: a target may tell sooner than it knows the estimate itself."""
        return self.estimate_arena(graph) <= limit

    def packed_arena(self, graph: Graph) -> int:
        """The live tensors packed largest first, as LiteRT does."""
        return packed_bytes(live_tensors(graph))

    def kept_bytes(self, graph: Graph) -> int:
        """What the tool keeps in RAM for good beside them: a sum over operators, and a constant."""
        return 0

    def estimate_time(self, graph: Graph) -> float:
        """Time of one inference, in the unit of the target's processor; for comparing plans."""
        return estimate_time(graph, self.processor)

    # --- what a choice costs ----------------------------------------------------------------------------------

    def emitted(self, site: ConvSite, choice: Choice) -> tuple[tuple[Emitted, ...], tuple[Selection, ...]]:
        """The convolutions that a choice becomes on this target, and the selections of channels around them."""
        chain = chain_of(site, choice)
        if choice.structure is None:
            return chain, ()
        if self.stores_whole(choice.structure):
            return (*chain, whole_sparse(site, choice)), ()
        branch, around = smaller_dense(site, choice)
        lone = choice.chain == "none"
        # A branch that stands alone leaves the site's bias to its scatter, which then has to be able to add.
        as_conv = [s for s in around if self.selects_by == "conv" or (lone and s.role == "scatter")]
        ones = tuple(self.selection_as_conv(s, own_bias=lone) for s in as_conv)
        return (*chain, branch, *ones), tuple(s for s in around if s not in as_conv)

    @staticmethod
    def selection_as_conv(selection: Selection, *, own_bias: bool) -> Emitted:
        """A gather or scatter as a 1×1 convolution of zeros and ones, exact in int8; a lone scatter adds the bias."""
        if selection.role == "gather":
            return Emitted("gather", (1, 1, selection.channels, selection.kept), selection.positions)
        bias = "own" if own_bias else "zero"
        return Emitted("scatter", (1, 1, selection.kept, selection.channels), selection.positions, bias)

    def stores_whole(self, structure: str) -> bool:
        """Whether a branch of this structure stays one kernel with zeros in it, as against a smaller dense one."""
        return structure not in SMALLER_DENSE or (structure == "block" and self.sparse_storage)

    def densifies(self, emitted: Emitted) -> bool:
        """Whether the kernel is stored sparse, behind a DENSIFY."""
        return False

    def constant_bytes(self, emitted: Emitted) -> int:
        """Bytes that the artefact spends on kernel and bias of one convolution."""
        return emitted.kernel_bytes + emitted.bias_bytes

    def operator_bytes(self, emitted: Emitted) -> int:
        """Estimate of what one convolution adds to the artefact beside its constants."""
        return self.conv_file_bytes + round(self.scale_file_bytes * emitted.kernel[3])

    def cost(self, site: ConvSite, choice: Choice) -> Cost:
        """Price of one site in the artefact that is flashed. `file_bytes` is an estimate, and so is `weight_bytes`
        where the target's documentation says so; else it is exact, but for zero biases (see `total`).
        """
        convs, selections = self.emitted(site, choice)
        weight_bytes = sum(self.constant_bytes(e) for e in convs)
        file_bytes = weight_bytes + sum(self.operator_bytes(e) for e in convs)
        for selection in selections:
            if selection.role == "gather":
                file_bytes += self.selection_file_bytes + INDEX_BYTES * selection.kept
            else:
                file_bytes += 2 * self.selection_file_bytes + INDEX_BYTES * selection.channels + PAD_BYTES
        if choice.structure is not None and choice.chain != "none":
            file_bytes += self.add_file_bytes
        return Cost(weight_bytes, file_bytes, sum(e.macs for e in convs))

    def total(self, sites: Iterable[tuple[ConvSite, Choice]]) -> Cost:
        """Price of a whole plan: the sum of its sites, and what TFLite files share between sites counted once.

        Equal zero biases are one buffer. Of all zero-point vectors of one length, 8 B an entry, one is stored.
        """
        pairs = tuple(sites)
        whole = sum((self.cost(*pair) for pair in pairs), Cost())
        if not self.is_tflite:
            return whole
        convs = [e for site, choice in pairs for e in self.emitted(site, choice)[0]]
        zero_points = ZERO_POINT_BYTES * sum({e.kernel[3] for e in convs})
        shared = shared_zero_bias_bytes(convs)
        return whole + Cost(-shared, zero_points - shared)

    # --- the tool ---------------------------------------------------------------------------------------------

    def within(self, ram_bytes: float) -> Target:
        """The target with its tool told how much RAM an inference may take, where it trades RAM for speed."""
        return self

    def require_tool(self) -> None:
        """Raise BadInput with the way out unless the tool's packages are installed."""
        for package in self.packages:
            try:
                importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                raise BadInput(missing(self.tool.partition(" (")[0], package)) from None

    @property
    def tool_version(self) -> str:
        """The tool with the versions of its packages, as in "Vela (ethos-u-vela 5.2.0)"."""
        named = self.tool
        for package in self.packages:
            named = named.replace(package, f"{package} {importlib.metadata.version(package)}")
        return named

    def files(self, tflite: bytes, name: str, borders: tuple[str, str] | None = None) -> dict[str, bytes]:
        """What the tool writes for the device, by file name starting with `name`; nothing where the TFLite file itself
        is flashed. borders: what the network calls its one input and its one output, where that is known."""
        return {}

    @abstractmethod
    def compile(self, tflite: bytes, workdir: Path) -> bytes:
        """The artefact that is flashed, made from an int8 TFLite file; what the tool writes stays in `workdir`.

        Raises CheckFailed in one sentence when the tool rejects the file, BadInput when the tool is not installed.
        """

    def stored(self, tflite: bytes) -> StoredBytes:
        """Stored weights and bytes of the artefact that is flashed; here the TFLite file itself."""
        return stored_bytes(tflite)

    @abstractmethod
    def measure(self, tflite: bytes, inputs: Inputs) -> TargetFigures:
        """Flash, arena and time of the file on the target, by the target's own tool."""

    def measure_in_turn(
        self, original: bytes, compressed: bytes, inputs: Inputs
    ) -> tuple[TargetFigures, TargetFigures]:
        """`measure` of two files in one process; where time is measured, in turn, so that both meet the same load."""
        return self.measure(original, inputs), self.measure(compressed, inputs)

    @abstractmethod
    def verify(self, tflite: bytes, inputs: Inputs, original: Agreement | None = None) -> Agreement:
        """Run the artefact as the target does and compare with LiteRT's reference kernels on `tflite`.

        original: what `verify` returned for the original network, where the target judges against that.
        Raises CheckFailed when they differ by more than the target's runtime may, or a tool rejects the file.
        """


def sentence(constraint: Constraint) -> str:
    """The docstring of a constraint on one line."""
    return " ".join((constraint.__doc__ or "").split())
