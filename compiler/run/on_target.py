"""Both files in the target's own tool, in the run that made them: what is saved is what the tool says, not the plan.

The original goes first, before anything is searched: a tool that is not installed or that rejects the network says so
at once, and its figures are what limits are measured against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compiler.backend.targets import Agreement, Target
from compiler.result import OnTarget, TargetFigures, TargetRun

SAMPLES = 64  # inputs that the tool's interpreter runs
MOST_MACS = 400_000_000  # of them together: reference kernels take seconds for more


@dataclass(frozen=True, eq=False)
class Reference:
    """The original's int8 file on the target, and the inputs that both files are run on."""

    target: Target
    tflite: bytes
    inputs: list[np.ndarray]
    agreement: Agreement
    figures: TargetFigures


def reference_of(target: Target, tflite: bytes, held_out: Sequence[np.ndarray], macs: int) -> Reference:
    """Run the original, of so many `macs`, on some of the inputs (n, …) `held_out`.

    Raises BadInput where the tool is not installed, CheckFailed where it refuses the network.
    """
    count = max(4, min(SAMPLES, MOST_MACS // max(1, macs)))
    inputs = [x[:count] for x in held_out]
    return Reference(target, tflite, inputs, target.verify(tflite, inputs), target.measure(tflite, inputs))


def on_target(target: Target, reference: Reference, tflite: bytes) -> OnTarget:
    """Verify the compressed file against the original's agreement, and measure both in turn. Where `target` was told
    what the original's was not, the original's figures stay.

    Raises CheckFailed where the tool refuses the file or computes it worse than the original.
    """
    agreement = target.verify(tflite, reference.inputs, reference.agreement)
    if target == reference.target:
        before, after = target.measure_in_turn(reference.tflite, tflite, reference.inputs)
    else:
        before, after = reference.figures, target.measure(tflite, reference.inputs)
    return OnTarget(
        tool=target.tool_version,
        executed=agreement.executed,
        inputs=agreement.inputs,
        original=run_of(before, reference.agreement),
        compressed=run_of(after, agreement),
    )


def run_of(figures: TargetFigures, agreement: Agreement) -> TargetRun:
    return TargetRun(figures, agreement.max_lsb, agreement.top1, agreement.snr_db)
