"""Keras networks as .tflite files, float and int8, and what a file computes."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import tensorflow as tf

from compiler.backend.quantize import _silenced, quantize
from compiler.backend.verify import run
from compiler.frontend.check_equal import random_inputs
from compiler.frontend.feed import feed
from compiler.frontend.import_tflite import Imported, import_tflite
from tests.frontend.networks import values


def float_file(model: keras.Model, *, batch: int | None = 1, half: bool = False) -> bytes:
    """By TensorFlow's converter. `batch=None`: as most users convert, open; `half`: float16 weights."""
    spec = [tf.TensorSpec((batch, *t.shape[1:]), t.dtype, name=f"input_{i}") for i, t in enumerate(model.inputs)]

    def serve(*inputs: tf.Tensor) -> list[tf.Tensor]:
        return keras.tree.flatten(model(feed(model, inputs), training=False))

    owner = tf.Module()
    owner.owned = [variable.value for variable in model.variables]
    owner.serve = tf.function(serve, input_signature=spec, autograph=False)
    with _silenced(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converter = tf.lite.TFLiteConverter.from_concrete_functions([owner.serve.get_concrete_function()], owner)
        if half:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()


def int8_file(model: keras.Model, count: int = 8, io: str = "int8", images: list[np.ndarray] | None = None) -> bytes:
    """By the compiler's own converter, calibrated on `images` (one array an input) or `count` samples of noise."""
    return quantize(model, noise(model, count) if images is None else images, io=io)  # type: ignore[arg-type]


def noise(model: keras.Model, count: int, seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.normal(size=(count, *t.shape[1:])).astype(np.float32) for t in model.inputs]


def assert_same(file: bytes, *, tolerance: float = 1e-4) -> Imported:
    """The imported network computes what the file does, relative to each output's largest number."""
    imported = import_tflite(file)
    inputs = random_inputs(imported.model)
    expected, found = run(file, inputs), values(imported.model, inputs)
    assert len(expected) == len(found)
    for e, f in zip(expected, found, strict=True):
        assert e.shape == f.shape
        assert np.max(np.abs(e - f)) <= tolerance * np.max(np.abs(e))
        assert np.ptp(e) > 0, "a network that says always the same tests nothing"
    return imported
