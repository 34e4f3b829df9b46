"""A network of two convolutions, small enough to compress in a second, and its answers in an int8 file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from keras import layers

from compiler.datafree.natural_noise import natural_noise
from compiler.options import Options
from tests.frontend.networks import randomize

SHAPE = (8, 8, 3)


def tiny_options(folder: Path, name: str, **given: Any) -> Options:
    """`net.keras` of `folder` into `<name>.tflite` beside it, the same whatever else runs."""
    paths = {"input_path": folder / "net.keras", "output_path": folder / f"{name}.tflite"}
    return Options(**paths, **({"jobs": 2, "seed": 3} | given))


def save_tiny(folder: Path) -> None:
    """`net.keras`, and `val.npz` with images and the network's own answers to them for labels."""
    x = natural_noise(160, SHAPE, np.random.default_rng(1))
    h = inputs = keras.Input(SHAPE, name="image")
    for index, (channels, stride) in enumerate([(12, 1), (16, 2)]):
        h = layers.Conv2D(channels, 3, strides=stride, padding="same", use_bias=False, name=f"conv{index}")(h)
        h = layers.BatchNormalization(name=f"bn{index}")(h)
        h = layers.ReLU(name=f"relu{index}")(h)
    h = layers.Dense(4, activation="softmax", name="logits")(layers.GlobalAveragePooling2D(name="pool")(h))
    model = randomize(keras.Model(inputs, h, name="tiny"))
    for index, seed in ((0, 10), (1, 11)):
        decay(model.get_layer(f"conv{index}"), seed)
        norm = model.get_layer(f"bn{index}")
        seen = np.asarray(keras.Model(inputs, norm.input)(x))
        norm.moving_mean.assign(seen.mean((0, 1, 2)))
        norm.moving_variance.assign(seen.var((0, 1, 2)))
    features = np.asarray(keras.Model(inputs, model.get_layer("pool").output)(x))
    directions = np.random.default_rng(3).normal(size=(16, 4)) / features.std(0)[:, None]
    model.get_layer("logits").set_weights([directions, -features.mean(0) @ directions])  # answers differ
    model.save(folder / "net.keras")
    np.savez(folder / "val.npz", x=x, y=np.argmax(np.asarray(model(x)), -1))


def decay(layer: layers.Conv2D, seed: int) -> None:
    """A kernel whose channel modes have spectra that fall, as trained ones have: what to keep is not a matter of
    rounding."""
    random = np.random.default_rng(seed)
    k_h, k_w, c_in, c_out = layer.kernel.shape
    into, out = (np.linalg.qr(random.normal(size=(n, n)))[0] * 0.6 ** np.arange(n) for n in (c_in, c_out))
    core = random.normal(size=(k_h, k_w, c_in, c_out))
    layer.set_weights([np.einsum("hwab,ia,ob->hwio", core, into, out).astype(np.float32)])


def run(tflite: bytes, x: np.ndarray) -> np.ndarray:
    """Answers of an int8 file, by the interpreter alone."""
    interpreter = Interpreter(model_content=tflite)
    interpreter.allocate_tensors()
    (given,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero = given["quantization"]
    answers = []
    for image in x:
        quantized = np.clip(np.rint(image / scale) + zero, -128, 127).astype(np.int8)
        interpreter.set_tensor(given["index"], quantized[None])
        interpreter.invoke()
        answers.append(int(np.argmax(interpreter.get_tensor(answer["index"])[0])))
    return np.array(answers)
