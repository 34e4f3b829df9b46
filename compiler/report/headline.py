"""The first line of every report: what was kept, in the words of the flag that asked for it."""

from __future__ import annotations

from compiler.result import Result

UNITS = {"params": "stored weight bytes", "bytes": "bytes of the file", "macs": "multiply-accumulates"}
FIELDS = {"params": "stored_weight_bytes", "bytes": "file_bytes", "macs": "macs"}


def headline(result: Result) -> str:
    """For example "keeps 50 % (factor 0.5): 133,120 of 267,264 stored weight bytes, 49.8 %"."""
    before, after = (getattr(figures, FIELDS[result.budget]) for figures in (result.original, result.compressed))
    factor = result.kept if result.asked_factor is None else result.asked_factor
    return (
        f"keeps {percent(factor)} (factor {factor:.3g}): {after:,} of {before:,} {UNITS[result.budget]}, "
        f"{100 * result.kept:.1f} %"
    )


def percent(share: float) -> str:
    """0.5 → "50 %", 0.125 → "12.5 %"."""
    return f"{round(100 * share, 1):g} %"
