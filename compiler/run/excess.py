"""By how much a file breaks limits, as the target's tool says."""

from __future__ import annotations

from compiler.run.session import Emitted, Session
from compiler.solver.limits import Limits


def excess(session: Session, emitted: Emitted, limits: Limits) -> Limits | None:
    """What the file needs above each limit; None where it keeps them all."""
    reference, target = session.reference, session.confined
    before, seen = reference.figures, target.measure(emitted.tflite, reference.inputs)
    if limits.latency_ratio is not None and "measured" in (before.time_label, seen.time_label):
        before, seen = target.measure_in_turn(reference.tflite, emitted.tflite, reference.inputs)
    ratio = seen.time / before.time if seen.time_ratio is None else seen.time_ratio.median
    ratio /= 1 + seen.time_error
    over = Limits(
        beyond(emitted.figures.file_bytes, limits.file_bytes),
        beyond(seen.arena_bytes, limits.arena_bytes),
        None,
        beyond(ratio, limits.latency_ratio),
    )
    return over if any((over.file_bytes, over.arena_bytes, over.latency_ratio)) else None


def beyond(value: float, limit: float | None) -> float:
    return 0.0 if limit is None else max(0.0, value - limit)
