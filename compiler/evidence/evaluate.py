"""A user's own evaluation of a network, asked of the original and of the emitted file.

`evaluate(predict)` is called with a function from inputs, as the network is fed them (one float array (n, …), or a
list of one for each input), to its outputs (one array (n, …), or a list). It returns a score, the higher the better:
one number, or one for each example (n,), which gives the loss an interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from compiler.errors import BadInput
from compiler.evidence.intervals import mean_interval
from compiler.result import Evidence

Predict = Callable[[Any], Any]
Evaluate = Callable[[Predict], Any]
Run = Callable[[list[np.ndarray]], list[np.ndarray]]


def scores_of(evaluate: Evaluate, run: Run) -> tuple[np.ndarray, int]:
    """(scores, 0- or 1-dimensional; number of examples that were predicted) of the network behind `run`.

    Raises BadInput for a score that is no finite number and for scores in more than one dimension.
    """
    seen = 0

    def predict(x: Any) -> Any:
        nonlocal seen
        inputs: Sequence[Any] = x if isinstance(x, list | tuple) else [x]
        arrays = [np.asarray(part, np.float32) for part in inputs]
        outputs = run(arrays)
        seen += len(arrays[0])
        return outputs[0] if len(outputs) == 1 else outputs

    scores = np.asarray(evaluate(predict), np.float64)
    if scores.ndim > 1 or scores.size == 0 or not np.all(np.isfinite(scores)):
        raise BadInput(
            f"evaluate= returned an array of shape {scores.shape}; return one finite score, or one for each example, "
            "the higher the better."
        )
    return scores, seen


def compare_scores(original: np.ndarray, compressed: np.ndarray, examples: int) -> Evidence:
    """The loss of score; a paired interval where there is a score for each example."""
    if original.shape != compressed.shape:
        raise BadInput(
            f"evaluate= returned scores of shape {original.shape} and {compressed.shape} for two networks; score the "
            "same examples both times."
        )
    paired = original.ndim == 1
    return Evidence(
        tier="measured",
        metric="score",
        loss=float(np.mean(original - compressed)),
        examples=examples,
        source="evaluate=",
        original=float(np.mean(original)),
        compressed=float(np.mean(compressed)),
        interval=mean_interval(original - compressed) if paired else None,
        interval_method="Student's paired t, 95 %" if paired else None,
    )
