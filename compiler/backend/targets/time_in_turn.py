"""Latency of several files on LiteRT's XNNPACK kernels, in turn in one process, so that all meet the same load."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from compiler.backend.targets.samples import Sample

ROUNDS = 15
ROUND_SECONDS = 0.02


def time_in_turn(files: Sequence[tuple[bytes, Sample]]) -> list[float]:
    """Milliseconds of one inference of each file, one thread.

    Each round runs every file for about `ROUND_SECONDS`; a file's figure is the median over `ROUNDS` of the mean in a
    round. The files have to load in LiteRT and take the samples beside them.
    """
    interpreters = [load(tflite, sample) for tflite, sample in files]
    repeats = [max(1, round(1e3 * ROUND_SECONDS / mean_ms(interpreter, 1))) for interpreter in interpreters]
    rounds = [
        [mean_ms(interpreter, n) for interpreter, n in zip(interpreters, repeats, strict=True)] for _ in range(ROUNDS)
    ]
    return [float(t) for t in np.median(rounds, axis=0)]


def load(tflite: bytes, sample: Sample) -> Any:
    """An interpreter that has run the sample once: XNNPACK packs its weights on the first run."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=tflite, num_threads=1)
    interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), sample, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return interpreter


def mean_ms(interpreter: Any, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        interpreter.invoke()
    return 1e3 * (time.perf_counter() - start) / repeats
