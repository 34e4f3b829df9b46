"""The first line of every report: what was kept, in the words of the flag that asked for it, and where the target pays
for it with time or RAM."""

from __future__ import annotations

from compiler.result import Result, TimeRatio

MUCH = 0.03  # a loss beyond this belongs in the first line
FIELDS = {"params": "stored_weight_bytes", "bytes": "file_bytes", "macs": "macs"}


def headline(result: Result) -> str:
    """For example "keeps 50 % (factor 0.5): 133,120 of 267,264 stored weight bytes, 49.8 %"."""
    before, after = (getattr(figures, FIELDS[result.budget]) for figures in (result.original, result.compressed))
    factor = result.kept if result.asked_factor is None else result.asked_factor
    kept = (
        f"keeps {percent(factor)} (factor {factor:.3g}): {after:,} of {before:,} "
        f"{unit(result.budget, result.counted)}, {100 * result.kept:.1f} %"
    )
    return "; ".join([kept, *drawbacks(result)])


def drawbacks(result: Result) -> list[str]:
    """Where the result loses more than was asked for, or is larger, slower or hungrier than the original on its target;
    each by how much."""
    found = []
    evidence, bound = result.evidence, result.max_acc_loss
    if evidence.knows_little:
        found.append(
            f"HARDLY BETTER THAN CHANCE is the original on {evidence.source}: are --input_scale, --input_mean and "
            "--input_std those of training, and the labels numbered as its answers are?"
        )
    if bound is not None and evidence.loss > bound and evidence.tier == "estimated":
        found.append(
            f"LOSES an estimated {evidence.loss:.4f} of {evidence.metric} on {evidence.source}, against {bound:g} asked"
        )
    elif bound is not None and evidence.loss > bound:
        found.append(
            f"LOSES {evidence.loss:.4f} of {evidence.metric} on the half of the examples that the search did not use, "
            f"against {bound:g} asked (their number can't tell the two apart)"
        )
    elif bound is not None and evidence.tier == "estimated":
        found.append(f"the loss of {evidence.loss:.4f} is an ESTIMATE, on {evidence.examples:,} {evidence.source}")
    elif bound is not None and evidence.highest > bound:
        found.append(
            f"the loss of {evidence.loss:.4f} is within the {bound:g} asked but NOT PROVEN so: {evidence.examples:,} "
            f"examples leave up to {evidence.highest:.4f} possible"
        )
    elif bound is None and evidence.metric != "score" and evidence.loss > MUCH:
        estimated = "an estimated " if evidence.tier == "estimated" else ""
        found.append(f"LOSES {estimated}{evidence.loss:.3f} of {evidence.metric} on {evidence.source}")
    before, after = result.original.file_bytes, result.compressed.file_bytes
    if after > before:
        found.append(f"LARGER {result.counted}: {after:,} bytes against {before:,} ({after / before:.2f} times)")
    on = result.on_target
    if on is None:
        return found
    old, new = on.original.figures, on.compressed.figures
    if on.is_slower:
        found.append(
            f"SLOWER on {result.target}: {new.time:.4g} {new.time_unit} against {old.time:.4g} "
            f"({on.time_ratio:.2f} times, {new.time_label})"
        )
    elif new.time_ratio is not None and new.time_ratio.is_noisy:
        found.append(f"about as fast on {result.target} (noisy: {spread(new.time_ratio)} times)")
    if on.arena_ratio > 1:
        found.append(
            f"MORE RAM on {result.target}: {new.arena_bytes:,} bytes against {old.arena_bytes:,} "
            f"({new.arena_bytes - old.arena_bytes:,} more, {new.arena_label})"
        )
    return found


def unit(budget: str, counted: str = "file") -> str:
    """What a budget counts, `counted` being what the target has bytes of: "bytes of the file"."""
    of = f"the {counted}" if counted.endswith("file") else counted
    return {"params": "stored weight bytes", "bytes": f"bytes of {of}", "macs": "multiply-accumulates"}[budget]


def spread(ratio: TimeRatio) -> str:
    """For example "0.80 to 1.30"."""
    return f"{ratio.low:.2f} to {ratio.high:.2f}"


def percent(share: float) -> str:
    """0.5 → "50 %", 0.125 → "12.5 %"."""
    return f"{round(100 * share, 1):g} %"
