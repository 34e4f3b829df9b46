"""Are the examples in the network's own units? A scale that is off makes every figure behind them wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compiler.errors import BadInput
from compiler.evidence.dataset import Dataset

LOOKED_AT = 256  # examples
NARROWEST = 1 / 20  # of the width expected
FURTHEST = 3.0  # widths that real inputs may lie beyond inputs nobody took: keyword features reach twice as far
RARE = 0.01  # share of values at either end that may lie anywhere


def check_range(dataset: Dataset, expected: tuple[float, float], flag: str) -> None:
    """Raise BadInput for a scale that is off by far, a factor of 255 or a mean taken in the wrong units, where the
    network is `expected` to be fed values from the lowest to the highest."""
    low, high = expected
    width = high - low
    seen_low, seen_high = span(dataset.inputs(slice(0, LOOKED_AT)))
    if seen_low < low - width or seen_high > high + width or seen_high - seen_low < NARROWEST * width:
        raise BadInput(
            f"{flag} {dataset.name} feeds the network values from {seen_low:.4g} to {seen_high:.4g}, where it expects "
            f"about {low:.4g} to {high:.4g}; set --input_scale, --input_mean and --input_std as in training."
        )


def check_span(dataset: Dataset, calibration: Sequence[np.ndarray], flag: str) -> None:
    """The same where nobody said what to expect, against the inputs (n, …) that the network is calibrated on. These
    may be synthetic, of a scale that was inferred, so much more is let pass."""
    low, high = span(calibration)
    width = high - low
    sample = dataset.inputs(slice(0, LOOKED_AT))
    seen_low, seen_high = span(sample)
    usual_low = min(float(np.quantile(x, RARE)) for x in sample)
    usual_high = max(float(np.quantile(x, 1 - RARE)) for x in sample)
    is_far = usual_low < low - FURTHEST * width or usual_high > high + FURTHEST * width
    if is_far or seen_high - seen_low < NARROWEST * width:
        raise BadInput(
            f"{flag} {dataset.name} feeds the network values from {seen_low:.4g} to {seen_high:.4g}, where the inputs "
            f"that it is calibrated on span {low:.4g} to {high:.4g}; set --input_scale, --input_mean and --input_std "
            f"as in training, or give --input_range {seen_low:.4g},{seen_high:.4g} if these values are right."
        )


def span(inputs: Sequence[np.ndarray]) -> tuple[float, float]:
    """Lowest and highest value of all inputs together."""
    return min(float(x.min()) for x in inputs), max(float(x.max()) for x in inputs)
