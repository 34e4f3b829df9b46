"""Check a rewrite's claim: the new network computes what the old one did."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from compiler.errors import CheckFailed
from compiler.frontend.graph import graph_of


def check_equal(reference: keras.Model, model: keras.Model, *, claim: str, tolerance: float = 1e-5) -> None:
    """Compare all outputs on random inputs (two samples, fixed seed).

    `tolerance` bounds the largest deviation of each output, relative to that output's largest magnitude; `claim` is
    the sentence that would be false. Raises CheckFailed.
    """
    inputs = random_inputs(reference)
    for index, (expected, found) in enumerate(zip(_run(reference, inputs), _run(model, inputs), strict=True)):
        if expected.shape != found.shape:
            raise CheckFailed(f"{claim}: output {index} has shape {found.shape} instead of {expected.shape}; report it")
        deviation = float(np.max(np.abs(expected - found), initial=0.0))
        largest = float(np.max(np.abs(expected), initial=0.0))
        if not deviation <= tolerance * largest:  # NaN fails, too
            raise CheckFailed(
                f"{claim}: output {index} deviates by {deviation:.2g} where {largest:.2g} is its largest value "
                f"(allowed: {tolerance:.0e} of that); report it with the model"
            )


def random_inputs(model: keras.Model) -> list[np.ndarray]:
    """Two samples for each input, flat: standard normal for floats, 0..255 for bytes, 0 or 1 for other integers."""
    generator = np.random.default_rng(0)
    inputs = []
    for tensor in model.inputs:
        shape = (tensor.shape[0] or 2, *tensor.shape[1:])
        if "float" in tensor.dtype:
            inputs.append(generator.normal(size=shape).astype(np.float32))
        else:
            inputs.append(generator.integers(0, 256 if tensor.dtype == "uint8" else 2, shape).astype(tensor.dtype))
    return inputs


def _run(model: keras.Model, inputs: list[np.ndarray]) -> list[np.ndarray]:
    graph = graph_of(model)
    structured: Any = keras.tree.pack_sequence_as(graph.input, [keras.ops.convert_to_tensor(x) for x in inputs])
    outputs = keras.tree.flatten(graph(structured, training=False))
    return [np.asarray(keras.ops.convert_to_numpy(output), np.float64) for output in outputs]
