"""What is counted: right answers, changed answers, and the error of outputs that are no answers.

Outputs are arrays (n, …) in the order of the examples; a classifier's are (n, classes) or
(n, 1, 1, classes), logits or probabilities alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Outputs = Sequence[np.ndarray]  # one array for each output of a network


def top1(outputs: np.ndarray) -> np.ndarray:
    """Answer (n,) of each example: the class with the largest output, the first of equals."""
    if outputs.ndim < 2 or any(extent != 1 for extent in outputs.shape[1:-1]):
        raise ValueError(f"outputs of a classifier are (n, classes), not {outputs.shape}")
    return np.argmax(outputs.reshape(len(outputs), -1), axis=1)


def accuracy(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Share of right answers."""
    return float(np.mean(top1(outputs) == labels))


def disagreement(original: np.ndarray, compressed: np.ndarray) -> float:
    """Share of changed answers; |loss of accuracy| can't exceed it, whatever the labels are."""
    return float(np.mean(top1(original) != top1(compressed)))


def output_errors(original: Outputs, compressed: Outputs) -> tuple[np.ndarray, np.ndarray]:
    """Per example (n,), (n,): the squared norm of the outputs' change, and of the original's outputs.

    Each output counts in units of its own mean square, so that boxes in pixels don't drown scores in shares.
    """
    errors, signals = np.zeros(len(original[0])), np.zeros(len(original[0]))
    for before, after in zip(original, compressed, strict=True):
        z = np.asarray(before, np.float64).reshape(len(before), -1)
        change = np.asarray(after, np.float64).reshape(len(after), -1) - z
        unit = float(np.mean(np.sum(z**2, axis=1))) or 1.0
        errors += np.sum(change**2, axis=1) / unit
        signals += np.sum(z**2, axis=1) / unit
    return errors, signals


def relative_output_error(original: Outputs, compressed: Outputs) -> float:
    """Norm of the change of all outputs over the norm of the outputs; infinite where an all-zero output changed."""
    errors, signals = output_errors(original, compressed)
    change, size = float(np.sum(errors)), float(np.sum(signals))
    if size == 0:
        return 0.0 if change == 0 else float("inf")
    return float(np.sqrt(change / size))
