"""What a run found, as one frozen value: the pipeline fills it, `report/` prints it as JSON and as a table.

Everything that a reader might want to dispute is a field, so that neither report can say what the other doesn't.
Accuracies, losses of accuracy and densities are shares, 0 to 1; bytes are bytes of int8 files.
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.details import Details
from compiler.types import INT8_BITS, SCHEMA_VERSION, Choice, ConvSite, Cost, LeftAlone

TIERS = ("measured", "bounded", "estimated")
CLOCK = 0.05  # of a time read off a clock: what two runs of one file may differ by
WIDE = 1.25  # the largest of most rounds' ratios by the least: beyond it they tell little


@dataclass(frozen=True, slots=True)
class StoredFigures:
    """Size of one network as its int8 file stores it (both files are made by the same converter)."""

    params: int  # weights and biases; of a sparse tensor, the stored ones
    stored_weight_bytes: int  # all constant weight tensors: kernels, biases, sparse values and indices
    file_bytes: int  # of the artefact; where that is no file, of what `Result.counted` names
    macs: int  # per example

    @property
    def cost(self) -> Cost:
        return Cost(self.stored_weight_bytes, self.file_bytes, self.macs)


@dataclass(frozen=True, slots=True)
class LayerReport:
    """One layer with weights: what it became, or why it was left."""

    name: str
    layer_type: str  # "conv", "dense", or the Keras class of a layer that was left
    choice: str  # a chain of types.Choice, "none" (sparse only) or "left"; "+structure" where there is one
    ranks: tuple[int, ...] = ()
    structure: str | None = None
    density: float | None = None  # share of the weights that the sparse branch keeps
    bytes_before: int | None = None
    bytes_after: int | None = None
    macs_before: int | None = None
    macs_after: int | None = None
    predicted_loss: float | None = None  # nats
    reason: str | None = None  # why it was left
    bits: float = INT8_BITS  # of a stored weight, on average


@dataclass(frozen=True, slots=True)
class Evidence:
    """How much the emitted int8 file loses against the float original, and how well that is known.

    measured    labelled examples: the loss of accuracy (or of the `evaluate` score, or the relative output error)
    bounded     unlabelled examples: the share of changed answers, which bounds the loss of accuracy
    estimated   synthetic inputs: the same share, of inputs that are no examples
    """

    tier: str
    metric: str  # "accuracy", "disagreement", "score" or "relative output error"
    loss: float  # of the metric: original − compressed, or the disagreement or error itself
    examples: int
    source: str  # what the examples were: "report half of digits", "synthetic inputs"
    original: float | None = None  # the metric of the float original, where it has one by itself
    compressed: float | None = None
    interval: tuple[float, float] | None = None  # 95 %, two-sided, for `loss`
    interval_method: str | None = None
    upper_bound: float | None = None  # one-sided 95 % bound for `loss`
    p_value: float | None = None  # exact McNemar test of "no difference"
    search_loss: float | None = None  # the loss on the half that the search used
    search_examples: int = 0
    evaluations: int = 0  # files that the search measured
    knows_little: bool = False  # the original is hardly better than chance on these labels

    @property
    def highest(self) -> float:
        """The loss that the examples leave possible: the bound where there is one, the interval's end elsewhere."""
        if self.upper_bound is not None:
            return self.upper_bound
        return self.loss if self.interval is None else self.interval[1]


@dataclass(frozen=True, slots=True)
class Verification:
    """The emitted file, loaded back and run beside the float model that was quantized, and beside the original."""

    interpreter: str  # "ai_edge_litert 2.3.0, reference kernels"
    examples: int
    source: str
    snr_db: float | None  # 10·log10 of signal over error power at the output: what quantization changed
    top1_agreement: float | None  # None where the network is no classifier
    operators: tuple[tuple[str, int], ...] = ()  # (name, how many), as the file holds them
    original_snr_db: float | None = None  # against the float original: what compression and quantization changed
    original_top1_agreement: float | None = None


@dataclass(frozen=True, slots=True)
class TimeRatio:
    """Time of one file as a share of another's, both read off a clock in turn: the median over rounds, and what eight
    rounds in ten lie between."""

    median: float
    low: float
    high: float
    rounds: int

    @property
    def is_slower(self) -> bool:
        """All of the spread lies further above 1 than two runs of one file may differ by."""
        return self.low > 1 + CLOCK

    @property
    def is_noisy(self) -> bool:
        """It can't be told from 1 where it seems to be more, or where the rounds differ widely."""
        return self.low <= 1 + CLOCK < self.high and (self.median > 1 + CLOCK or self.high > WIDE * self.low)


@dataclass(frozen=True, slots=True)
class TargetFigures:
    """What the target's own tool says of one file.

    flash_bytes   of the artefact that is flashed or shipped; `flash_label` says what of it, where that is not all.
    weight_bytes  of the constant tensors in that artefact.
    arena_bytes   RAM of one inference, beside the artefact.
    macs          multiply-accumulates of one inference.
    time          of one inference in `time_unit`; `time_label` is "measured" or "estimate".
    time_ratio    of the second of two files whose times were read off a clock in turn: its time by the first's.
    extra         further figures of the tool, by name.
    """

    flash_bytes: int
    weight_bytes: int
    arena_bytes: int
    arena_label: str
    macs: int
    time: float
    time_unit: str
    time_label: str
    extra: tuple[tuple[str, float | str], ...] = ()
    time_ratio: TimeRatio | None = None
    flash_label: str = ""

    @property
    def time_error(self) -> float:
        """Share of the time that two runs of one file may differ by: of a clock, but not of counts and estimates, which
        repeat exactly."""
        return CLOCK if self.time_label == "measured" and self.time_unit == "ms" else 0.0


@dataclass(frozen=True, slots=True)
class TargetRun:
    """One int8 file in the target's own tool: its figures, and how far its outputs are from LiteRT's reference kernels
    (None where nothing was run, `max_lsb` in steps of the output, `snr_db` None too where there is no difference)."""

    figures: TargetFigures
    max_lsb: int | None = None
    top1: float | None = None
    snr_db: float | None = None


@dataclass(frozen=True, slots=True)
class OnTarget:
    """Both files in the target's own tool, in the same run.

    tool      with its version.
    executed  False where the tool accepts the file and estimates, but runs nothing.
    inputs    how many each file was run on.
    """

    tool: str
    executed: bool
    inputs: int
    original: TargetRun
    compressed: TargetRun

    @property
    def time_ratio(self) -> float:
        """Time of the compressed file as a share of the original's."""
        in_turn = self.compressed.figures.time_ratio
        if in_turn is not None:
            return in_turn.median
        return self.compressed.figures.time / self.original.figures.time

    @property
    def arena_ratio(self) -> float:
        """RAM of the compressed file as a share of the original's."""
        return self.compressed.figures.arena_bytes / max(1, self.original.figures.arena_bytes)

    @property
    def is_slower(self) -> bool:
        """The compressed file takes longer, by more than a clock may be off and than the rounds of one run differ."""
        new = self.compressed.figures
        if new.time_ratio is not None:
            return new.time_ratio.is_slower
        return self.time_ratio > 1 + new.time_error


@dataclass(frozen=True, slots=True)
class Provenance:
    """What it takes to get the same bytes again."""

    versions: tuple[tuple[str, str], ...]
    seed: int
    model_hash: str
    calibration_source: str  # "256 synthetic inputs", "--calibration_data x.npz"
    calibration_hash: str = ""
    gates: tuple[tuple[str, bool], ...] = ()  # optional steps, and whether each was kept
    settings: tuple[tuple[str, str], ...] = ()
    seconds: float | None = None
    peak_memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A finished run. `output_path` exists, and so do the plan and the report beside it."""

    input_path: str
    output_path: str
    method: str
    budget: str  # "params", "bytes" or "macs": the unit of both shares below
    target: str
    io: str
    original: StoredFigures
    compressed: StoredFigures
    layers: tuple[LayerReport, ...]
    evidence: Evidence
    verification: Verification
    provenance: Provenance
    asked_factor: float | None = None  # fixed_params: the share asked to be kept
    max_acc_loss: float | None = None  # fixed_loss: the bound that was asked
    predicted_loss: float | None = None  # nats, of the whole plan
    on_target: OnTarget | None = None
    original_int8: float | None = None  # the metric of the evidence for the original's int8 file, where it has one
    notes: tuple[str, ...] = ()  # sentences a reader should know: fallbacks taken, steps left out
    details: Details | None = None
    counted: str = "file"  # what `file_bytes` are bytes of on this target
    schema_version: int = SCHEMA_VERSION

    @property
    def kept(self) -> float:
        """Share of the budget's unit that the compressed network keeps."""
        unit = {"params": "stored_weight_bytes", "bytes": "file_bytes", "macs": "macs"}[self.budget]
        return getattr(self.compressed, unit) / max(1, getattr(self.original, unit))


def report_site(site: ConvSite, choice: Choice, before: Cost, after: Cost, predicted_loss: float | None) -> LayerReport:
    """Row of a layer that the solver chose for ("dense" is a choice too)."""
    return LayerReport(
        name=site.name,
        layer_type=site.kind,
        choice=choice.chain if choice.structure is None else f"{choice.chain}+{choice.structure}",
        ranks=choice.ranks,
        structure=choice.structure,
        density=sparse_density(site, choice),
        bytes_before=before.weight_bytes,
        bytes_after=after.weight_bytes,
        macs_before=before.macs,
        macs_after=after.macs,
        predicted_loss=predicted_loss,
        bits=choice.bits,
    )


def report_left(left: LeftAlone) -> LayerReport:
    """Row of a layer that stays as it is, with the reason."""
    return LayerReport(name=left.name, layer_type=left.layer_type, choice="left", reason=left.reason)


def sparse_density(site: ConvSite, choice: Choice) -> float | None:
    """Share of the kernel's weights that the sparse branch may keep; None where there is no sparse branch."""
    if choice.structure is None:
        return None
    groups = {"unstructured": site.weights, "filter": site.c_out, "channel": site.c_in}
    if choice.structure == "block":
        assert choice.block is not None, "a block structure says its block"
        b_in, b_out = choice.block
        return choice.kept / (
            site.kernel_size[0] * site.kernel_size[1] * -(-site.c_in // b_in) * -(-site.c_out // b_out)
        )
    return choice.kept / groups[choice.structure]
