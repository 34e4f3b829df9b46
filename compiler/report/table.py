"""The report on a terminal: the headline, the sizes, every layer with weights, the evidence, where it came from."""

from __future__ import annotations

from typing import TextIO

from compiler.report.headline import headline, percent, spread
from compiler.result import Evidence, LayerReport, OnTarget, Result, TargetRun, Verification
from compiler.types import INT8_BITS

NARROWEST = 110  # columns where the output is no terminal


def print_report(result: Result, stream: TextIO) -> None:
    """Write the whole report to `stream`."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False, width=None if stream.isatty() else NARROWEST)

    def say(line: str) -> None:
        console.print(Text(line), soft_wrap=True)

    say(headline(result))
    say(f"{result.input_path} → {result.output_path}, for {result.target}, {result.io} in and out")
    console.print(_sizes(result))
    console.print(_layers(result.layers))
    say(evidence_line(result.evidence))
    for line in search_lines(result):
        say(line)
    say(verification_line(result.verification))
    if result.on_target is not None:
        say(target_line(result.on_target))
        for line in (*time_lines(result.on_target), *word_lines(result.on_target)):
            say(line)
    for note in result.notes:
        say(f"note: {note}")
    for line in provenance_lines(result):
        say(line)


def _sizes(result: Result) -> object:
    from rich.table import Table

    table = Table("", "original", "compressed", "kept", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, before, after, form in sizes(result):
        kept = f"{100 * after / before:.1f} %" if before else ""
        table.add_row(name, format(before, form), format(after, form), kept)
    if result.original_int8 is not None and result.evidence.compressed is not None:
        values = (result.original_int8, result.evidence.compressed)
        table.add_row(f"{result.evidence.metric} as int8", *(score(result.evidence.metric, v) for v in values), "")
    return table


def sizes(result: Result) -> list[tuple[str, float, float, str]]:
    """Rows (name, original, compressed, format): the files' own, then the target's figures."""
    rows: list[tuple[str, float, float, str]] = []
    for name, field in (
        ("parameters", "params"),
        ("stored weight bytes", "stored_weight_bytes"),
        (f"{result.counted} bytes" if result.counted.endswith("file") else f"bytes of {result.counted}", "file_bytes"),
        ("multiply-accumulates", "macs"),
    ):
        rows.append((name, getattr(result.original, field), getattr(result.compressed, field), ","))
    if result.on_target is not None:
        old, new = result.on_target.original.figures, result.on_target.compressed.figures
        labels = dict.fromkeys(label for label in (old.flash_label, new.flash_label) if label)
        of = f" ({'; '.join(labels)})" if labels else ""
        rows.append((f"flash bytes, {result.target}{of}", old.flash_bytes, new.flash_bytes, ","))
        rows.append((f"arena bytes, {result.target} ({new.arena_label})", old.arena_bytes, new.arena_bytes, ","))
        rows.append((f"{new.time_unit}, {result.target} ({new.time_label})", old.time, new.time, ",.4g"))
        before, after = dict(old.extra), dict(new.extra)
        for name, value in after.items():
            if not isinstance(value, str) and (value or before.get(name)):
                rows.append((name.replace("_", " "), float(before.get(name, 0)), value, ",.6g"))
    return rows


def _layers(layers: tuple[LayerReport, ...]) -> object:
    from rich.table import Table

    table = Table("layer", "becomes", "density", "bytes", "MACs", "predicted loss", box=None, pad_edge=False)
    for column in table.columns[2:]:
        column.justify = "right"
    for layer in layers:
        table.add_row(
            layer.name,
            becomes(layer),
            "" if layer.density is None else percent(layer.density),
            change(layer.bytes_before, layer.bytes_after),
            change(layer.macs_before, layer.macs_after),
            "" if layer.predicted_loss is None else f"{layer.predicted_loss:.2g}",
        )
    return table


def becomes(layer: LayerReport) -> str:
    """For example "tucker2 12×14 + unstructured", "dense", "dense, 4 bits", "left: depthwise"."""
    if layer.reason is not None:
        return f"left: {layer.reason}"
    chain, *structure = layer.choice.split("+")
    parts = [] if chain == "none" else [" ".join([chain, "×".join(map(str, layer.ranks))]).strip()]
    return " + ".join(parts + structure) + ("" if layer.bits == INT8_BITS else f", {layer.bits:g} bits")


def change(before: int | None, after: int | None) -> str:
    """For example "9,216 → 4,011"; one number where it stays."""
    if before is None or after is None:
        return "" if after is None else f"{after:,}"
    return f"{after:,}" if before == after else f"{before:,} → {after:,}"


def evidence_line(evidence: Evidence) -> str:
    """What the file loses, how that is known, and how well."""
    known = {
        "measured": f"{evidence.metric}, measured",
        "bounded": f"{evidence.metric}, which bounds the loss of accuracy,",
        "estimated": f"{evidence.metric}, estimated",
    }[evidence.tier]
    figures = [amount(evidence.metric, evidence.loss)]
    if evidence.original is not None and evidence.compressed is not None:
        before, after = (score(evidence.metric, v) for v in (evidence.original, evidence.compressed))
        figures = [f"{before} (float original) → {after} (this file)", f"loss {figures[0]}"]
    between = ""
    if evidence.interval is not None:
        between = " to ".join(amount(evidence.metric, v).removesuffix(" points") for v in evidence.interval)
    if evidence.upper_bound is not None:  # one-sided, so it lies below the interval's end: both need their names
        sides = f"; two-sided {between}" if between else ""
        which = " of such inputs, others may change more" if evidence.tier == "estimated" else ""
        figures.append(f"at most {_percent1(evidence.upper_bound)}{which} (exact, 95 %{sides})")
    elif between:
        figures.append(f"95 % interval {between}")
    if evidence.p_value is not None:
        figures.append(f"McNemar p = {evidence.p_value:.2g}")
    return f"{known} on {evidence.examples:,} examples ({evidence.source}): {', '.join(figures)}"


def search_lines(result: Result) -> list[str]:
    """What the search asked for and saw; nothing where there was none."""
    evidence, lines = result.evidence, []
    metric = evidence.metric
    loss = "loss" if metric in ("accuracy", "score") else metric
    if result.max_acc_loss is not None:
        lines.append(f"asked: a {loss} of at most {amount(metric, result.max_acc_loss)}")
    if evidence.search_loss is not None:
        seen = f"{loss} {amount(metric, evidence.search_loss)}"
        if evidence.tier == "estimated":
            on = f"an estimate, on the same {evidence.search_examples:,} inputs that are reported on"
            lines.append(f"search: {evidence.evaluations} files tried, {seen}, {on}")
        else:
            on = f"on its own {evidence.search_examples:,} examples"
            lines.append(f"search: {evidence.evaluations} files measured, {seen} {on}")
    if result.predicted_loss is not None:
        lines.append(f"predicted loss of the plan: {result.predicted_loss:.3g} nats")
    return lines


def verification_line(verification: Verification) -> str:
    """The file, loaded back and run."""

    def agreement(snr_db: float | None, top1: float | None) -> str:
        seen = [] if snr_db is None else [f"SNR {snr_db:.1f} dB"]
        return ", ".join(seen if top1 is None else [*seen, f"top-1 agreement {_percent1(top1)}"])

    quantized = agreement(verification.snr_db, verification.top1_agreement)
    original = agreement(verification.original_snr_db, verification.original_top1_agreement)
    operators = ", ".join(f"{count} {name}" for name, count in verification.operators)
    return (
        f"verified in {verification.interpreter} on {verification.examples:,} examples ({verification.source}), "
        f"against the compressed float model: {quantized}; against the original: {original}; operators: {operators}"
    )


def target_line(on: OnTarget) -> str:
    """Both files in the target's tool."""
    if not on.executed:
        return f"accepted by {on.tool}, which runs nothing here: its figures are estimates"
    return (
        f"run by {on.tool} on {on.inputs} inputs, against LiteRT's reference kernels: {deviation(on.compressed)}; the "
        f"original: {deviation(on.original)}"
    )


def time_lines(on: OnTarget) -> list[str]:
    """How sure the times are that were read off a clock; nothing of counts and estimates."""
    ratio = on.compressed.figures.time_ratio
    if ratio is None:
        return []
    return [
        f"time read off a clock, the two files in turn: {ratio.median:.2f} times the original's, "
        f"{spread(ratio)} in eight of ten of the {ratio.rounds} rounds"
    ]


def word_lines(on: OnTarget) -> list[str]:
    """What the tool says in words, as "accelerator: ethos-u55-128"."""
    before, after = (dict(run.figures.extra) for run in (on.original, on.compressed))
    words = {name: value for name, value in (before | after).items() if isinstance(value, str)}
    return [f"{name.replace('_', ' ')}: {value}" for name, value in words.items()]


def deviation(run: TargetRun) -> str:
    """How far a run is from the reference kernels."""
    if run.max_lsb == 0:
        return "equal"
    snr = "" if run.snr_db is None else f", SNR {run.snr_db:.1f} dB"
    return f"within {run.max_lsb} steps{snr}, top-1 agreement {_percent1(run.top1)}"


def provenance_lines(result: Result) -> list[str]:
    """Where the bytes came from."""
    p = result.provenance
    gates = ", ".join(f"{name} {'kept' if kept else 'dropped'}" for name, kept in p.gates)
    calibration = f"calibrated on {p.calibration_source} {p.calibration_hash[:12]}".rstrip()
    lines = [f"seed {p.seed}, model {p.model_hash[:12]}, {calibration}" + (f"; {gates}" if gates else "")]
    lines.append(", ".join(f"{name} {version}" for name, version in p.versions))
    used = [] if p.seconds is None else [f"{p.seconds:.0f} s after start-up"]
    if p.peak_memory_bytes is not None:
        used.append(f"{p.peak_memory_bytes / 2**30:.2f} GiB at most")
    return lines + ([", ".join(used)] if used else [])


def amount(metric: str, loss: float) -> str:
    """A loss in the unit of its metric: "1.25 points" of accuracy, 0.021 of a score, else a share as "2.0 %"."""
    if metric == "accuracy":
        return f"{points(loss)} points"
    return f"{loss:.3g}" if metric == "score" else _percent1(loss)


def score(metric: str, value: float) -> str:
    """A metric's own value: a score as it is, everything else as a share."""
    return f"{value:.3g}" if metric == "score" else _percent1(value)


def points(share: float) -> str:
    """A difference of accuracies in percentage points: 0.0125 → "1.25"."""
    return f"{round(100 * share, 2) + 0.0:.2f}"  # adding 0.0 makes −0.0 plain


def _percent1(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"
