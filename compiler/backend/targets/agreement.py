"""How far a target's run of a network is from LiteRT's reference kernels on the same int8 file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compiler.errors import CheckFailed


@dataclass(frozen=True, slots=True)
class Agreement:
    """The artefact on the target's interpreter against LiteRT's reference kernels.

    executed  False where the tool only accepts a file and runs nothing; the figures are then None.
    max_lsb   largest difference of any output, in steps of that output's quantization.
    top1      share of inputs with the same largest output.
    snr_db    power of the outputs around their mean over power of the difference; None where there is none.
    rounded   operators that round their sums to int8, each of which may round differently; 0 where not counted.
    """

    by: str
    executed: bool
    inputs: int = 0
    max_lsb: int | None = None
    top1: float | None = None
    snr_db: float | None = None
    rounded: int = 0

    def require_no_worse_than(self, original: Agreement, snr_slack_db: float = 3.0, top1_slack: float = 0.02) -> None:
        """Raise CheckFailed where this network is further from its reference than the original from its own.

        A network of more operators rounds more often, and the noise of roundings adds up: n times as many take
        10·log₁₀ n dB. The slack is for what differs by chance between two networks on a few inputs; to that of the
        top-1 agreement come two standard errors of the difference.
        """
        more = self.rounded / original.rounded if original.rounded else 1.0
        allowed = None if original.snr_db is None else original.snr_db - snr_slack_db - 10 * math.log10(max(1.0, more))
        if self.snr_db is not None and allowed is not None and self.snr_db < allowed:
            raise CheckFailed(
                f"{self.by} computes the compressed network with {self.snr_db:.1f} dB against LiteRT's reference "
                f"kernels, the original with {original.snr_db:.1f} dB: raise --compression_factor"
            )
        if self.top1 is None or original.top1 is None:
            return
        variance = sum(a.top1 * (1 - a.top1) / a.inputs for a in (self, original) if a.top1 is not None and a.inputs)
        if self.top1 < original.top1 - top1_slack - 2 * math.sqrt(variance):
            raise CheckFailed(
                f"{self.by} agrees with LiteRT's reference kernels on {self.top1:.1%} of the inputs for the "
                f"compressed network, on {original.top1:.1%} for the original: raise --compression_factor"
            )


def compare(by: str, reference: Sequence[np.ndarray], run: Sequence[np.ndarray], steps: Sequence[float]) -> Agreement:
    """Agreement of outputs (n, …), one array each; `steps` is the quantization step of float outputs (else unused)."""
    worst, signal, noise = 0, 0.0, 0.0
    for expected, got, step in zip(reference, run, steps, strict=True):
        unit = step if np.issubdtype(expected.dtype, np.floating) and step > 0 else 1.0
        a, b = expected.astype(np.float64) / unit, got.astype(np.float64) / unit
        worst = max(worst, round(float(np.abs(a - b).max())))
        signal += float(np.square(a - a.mean()).sum())
        noise += float(np.square(a - b).sum())
    first, other = (np.asarray(outputs[0]).reshape(len(outputs[0]), -1) for outputs in (reference, run))
    same = float(np.mean(first.argmax(axis=1) == other.argmax(axis=1)))
    snr = 10 * math.log10(signal / noise) if noise > 0 and signal > 0 else None
    return Agreement(by, True, len(first), worst, same, snr)
