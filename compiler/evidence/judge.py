"""The loss of a compressed network from its outputs and the original's on the same examples, and how well it is known.

labels, a classifier        measured    loss of accuracy, Tango's interval, exact McNemar test
no labels, a classifier     bounded     share of changed answers, which |loss of accuracy| can't exceed
synthetic inputs            estimated   the same share, of inputs that nobody took
no classifier               measured    relative output error (estimated on synthetic inputs), or the loss of
                                        the user's own score
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from compiler.errors import BadInput
from compiler.evidence.accuracy import Outputs, accuracy, disagreement, output_errors, relative_output_error, top1
from compiler.evidence.chance import knows_little
from compiler.evidence.intervals import (
    clopper_pearson,
    clopper_pearson_upper,
    mcnemar_p,
    mean_interval,
    paired_interval,
    root_ratio_interval,
)
from compiler.result import Evidence

Score = Callable[[object, np.ndarray | None], np.ndarray]


def judge(
    original: Outputs,
    compressed: Outputs,
    *,
    labels: np.ndarray | None = None,
    classifier: bool,
    synthetic: bool = False,
    score: Score | None = None,
    source: str,
) -> Evidence:
    """Evidence from one array (n, …) for each output of the two networks; a classifier has one, (n, classes)."""
    n = len(original[0])
    tier = "estimated" if synthetic else "measured"
    if score is not None and not synthetic:
        return _judge_score(original, compressed, labels, score, source)
    if not classifier:
        return Evidence(
            tier=tier,
            metric="relative output error",
            loss=relative_output_error(original, compressed),
            examples=n,
            source=source,
            interval=root_ratio_interval(*output_errors(original, compressed)),
            interval_method="linearised ratio, 95 %",
        )
    before, after = original[0], compressed[0]
    if labels is None or synthetic:
        changed = int(np.count_nonzero(top1(before) != top1(after)))
        return Evidence(
            tier="estimated" if synthetic else "bounded",
            metric="disagreement",
            loss=disagreement(before, after),
            examples=n,
            source=source,
            interval=clopper_pearson(changed, n),
            interval_method="Clopper–Pearson, 95 %, and one-sided for the upper bound",
            upper_bound=clopper_pearson_upper(changed, n),
        )
    right_before, right_after = top1(before) == labels, top1(after) == labels
    lost = int(np.count_nonzero(right_before & ~right_after))
    won = int(np.count_nonzero(right_after & ~right_before))
    return Evidence(
        tier="measured",
        metric="accuracy",
        loss=(lost - won) / n,
        examples=n,
        source=source,
        original=accuracy(before, labels),
        compressed=accuracy(after, labels),
        interval=paired_interval(lost, won, n),
        interval_method="Tango's paired score, 95 %",
        p_value=mcnemar_p(lost, won),
        knows_little=knows_little(top1(before), labels),
    )


def _judge_score(
    original: Outputs, compressed: Outputs, labels: np.ndarray | None, score: Score, source: str
) -> Evidence:
    scores = []
    for outputs in (original, compressed):
        values = np.asarray(score(outputs[0] if len(outputs) == 1 else outputs, labels), np.float64)
        if values.shape != (len(outputs[0]),) or not np.all(np.isfinite(values)):
            raise BadInput(
                f"The --evaluate function returned an array of shape {values.shape} for {len(outputs[0])} examples; "
                "return one finite score for each example, the higher the better."
            )
        scores.append(values)
    before, after = scores
    return Evidence(
        tier="measured",
        metric="score",
        loss=float(np.mean(before - after)),
        examples=len(before),
        source=source,
        original=float(np.mean(before)),
        compressed=float(np.mean(after)),
        interval=mean_interval(before - after),
        interval_method="Student's paired t, 95 %",
    )


def examples_needed(max_loss: float) -> int | None:
    """Examples that each half needs so that the bound is two of them or more; None: none resolve a bound of 0."""
    return None if max_loss <= 0 else math.ceil(2 / max_loss - 1e-9)


def require_halves(examples: int) -> None:
    """Raise `BadInput` unless there are two `examples` a half: a score of one has no interval."""
    if examples < 4:
        raise BadInput(
            f"--data has {examples} examples to use, too few to search on one half and report on the other: give at "
            "least 4."
        )


def require_resolution(examples: int, max_loss: float) -> None:
    """Raise `BadInput` unless each half of `examples` can resolve a loss of `max_loss`."""
    needed = examples_needed(max_loss)
    half = examples // 2
    if needed is None:
        finest = f"--max_acc_loss {2 / half:.2g}" if half >= 2 else "--max_acc_loss 0.02"
        raise BadInput(f"No number of images can measure a loss of 0; ask for {finest} or more.")
    if half < needed:
        mend = f", or ask for --max_acc_loss {math.ceil(2000 / half) / 1000:g} or more" if half >= 2 else ""
        raise BadInput(
            f"--data has {examples} images to use, too few to tell a loss of {max_loss:g}: give at least {2 * needed} "
            f"({needed} to search on and {needed} to report on){mend}."
        )
