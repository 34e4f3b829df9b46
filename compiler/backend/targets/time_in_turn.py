"""Latency of several files on LiteRT's XNNPACK kernels, in turn in one process, so that all meet the same load."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from compiler.backend.targets.samples import Sample
from compiler.greetings import without_greetings
from compiler.result import TimeRatio

ROUNDS = 21
ROUND_SECONDS = 0.015
SPREAD = (0.1, 0.9)  # of the rounds: what a burst of load does to one or two of them is no spread
FINE = 1e-6  # seconds


def time_in_turn(files: Sequence[tuple[bytes, Sample]]) -> np.ndarray:
    """Milliseconds of one inference of each file on one thread, (ROUNDS, files).

    Each round runs every file for about `ROUND_SECONDS`, every other round in the reverse order, so that a load that
    grows or fades favours none. The files have to load in LiteRT and take the samples beside them.
    """
    interpreters = [load(tflite, sample) for tflite, sample in files]
    repeats = [max(1, round(1e3 * ROUND_SECONDS / mean_ms(interpreter, 1))) for interpreter in interpreters]
    rounds = np.empty((ROUNDS, len(files)))
    order = list(range(len(files)))
    for one in rounds:
        for index in order:
            one[index] = mean_ms(interpreters[index], repeats[index])
        order.reverse()
    return rounds


def ratio_of(rounds: np.ndarray) -> TimeRatio:
    """The second file's time over the first's, round by round; `rounds` (n, 2)."""
    ratios = rounds[:, 1] / rounds[:, 0]
    low, high = np.quantile(ratios, SPREAD)
    return TimeRatio(float(np.median(ratios)), float(low), float(high), len(ratios))


def load(tflite: bytes, sample: Sample) -> Any:
    """An interpreter that has run the sample once: XNNPACK packs its weights on the first run."""
    from ai_edge_litert.interpreter import Interpreter

    with without_greetings():
        interpreter = Interpreter(model_content=tflite, num_threads=1)
        interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), sample, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return interpreter


def mean_ms(interpreter: Any, repeats: int) -> float:
    now = clock()
    start = now()
    for _ in range(repeats):
        interpreter.invoke()
    return 1e3 * max(FINE, now() - start) / repeats


def clock() -> Callable[[], float]:
    """Seconds that this thread had a core, where the system counts them finely: waiting for a core that others use is
    not the network's time. Elsewhere the clock on the wall. One thread: LiteRT computes on the one that calls it."""
    fine = hasattr(time, "thread_time") and time.get_clock_info("thread_time").resolution <= FINE
    return time.thread_time if fine else time.perf_counter
