"""Keras model → the file: quantize, store sparse kernels sparse, share what is equal. In memory; nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import keras
import numpy as np

from compiler.backend.quantize import IO, quantize
from compiler.backend.shorten_scales import shorten_scales
from compiler.backend.shrink import shrink
from compiler.backend.sparsify import sparsify
from compiler.backend.store_steps import store_steps
from compiler.backend.targets.target import Target
from compiler.backend.widen_inputs import widen_inputs
from compiler.types import Span


def emit(
    model: keras.Model,
    calibration: Sequence[np.ndarray],
    target: Target,
    *,
    spans: Sequence[Span | None] = (),
    io: IO = "int8",
    blocks: Iterable[tuple[int, int]] = (),
    few_bits: bool = False,
) -> bytes:
    """The int8 TFLite of `model` as `target` wants it. `calibration`: one array (n, …) per model input; `spans`: of
    each, what the file's input has to hold beside these. `few_bits`: kernels of few bits are stored as the steps that
    they are made of."""
    tflite = quantize(model, calibration, io=io, per_tensor_dense=target.per_tensor_dense)
    if any(spans):
        tflite = widen_inputs(tflite, spans)
    if few_bits:
        or_sparse = target.sparse_storage and target.is_tflite
        tflite = store_steps(tflite, in_four_bits=target.packs_four_bits, or_sparse=or_sparse)
    if target.short_scales:
        tflite = shorten_scales(tflite)
    if target.sparse_storage:
        tflite = sparsify(tflite, blocks)
    return shrink(tflite)
