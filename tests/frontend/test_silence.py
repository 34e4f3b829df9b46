"""Channels that only their bias is heard of: zero afterwards, and no output moves."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from compiler.frontend.read_network import Network, read_network
from compiler.options import Options
from compiler.pipeline import analyse, compress
from compiler.surgery.set_kernels import kernel_of
from compiler.types import DENSE
from tests.frontend.networks import randomize

DEAD = slice(4, 20)  # of 24 channels


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """A BatchNorm has given up two channels in three, as those of networks trained with weight decay do."""
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(24, 3, padding="same", use_bias=False, name="stem")(x)
    x = layers.ReLU()(layers.BatchNormalization(name="bn")(x))
    x = layers.ReLU()(layers.Conv2D(24, 3, padding="same", name="body")(x))
    model = randomize(keras.Model(inputs, layers.Dense(4, name="logits")(layers.GlobalAveragePooling2D()(x))))
    gamma, *rest = model.get_layer("bn").get_weights()
    gamma[DEAD] = 1e-30
    model.get_layer("bn").set_weights([gamma, *rest])
    kernel, bias = model.get_layer("body").get_weights()
    kernel[..., DEAD] *= 1e-25
    bias[DEAD], bias[4] = 0.5, 0.0  # a channel without a bias has nothing to hide behind
    model.get_layer("body").set_weights([kernel, bias])
    return model


def network(model: keras.Model) -> Network:
    return read_network(model, model_name=None, input_shape=None, exclude=None)


def test_quiet_channels_are_zero_and_others_as_they_were(model: keras.Model) -> None:
    read = network(model)
    stem, body = (kernel_of(read.folded, name)[0] for name in ("stem", "body"))
    silent = {name: set(np.flatnonzero(~np.any(k, axis=(0, 1, 2)))) for name, k in (("stem", stem), ("body", body))}
    assert silent == {"stem": set(range(4, 20)), "body": set(range(5, 20))}
    before = model.get_layer("body").get_weights()[0]
    assert np.array_equal(body[..., :5], before[..., :5])
    assert np.array_equal(body[..., 20:], before[..., 20:])


def test_no_output_moves(model: keras.Model) -> None:
    x = 255 * np.random.default_rng(0).random((16, 8, 8, 3), np.float32)
    expected, found = np.asarray(model(x)), np.asarray(network(model).folded(x))
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_prices_are_near_those_of_the_file(model: keras.Model, tmp_path: Path) -> None:
    """The converter stores zeros where nothing is heard; a solver that paid for them would have them to give."""
    model.save(tmp_path / "net.keras")
    options = Options(input_path=tmp_path / "net.keras", output_path=tmp_path / "net.tflite")
    session = analyse(options, options.input_path)
    price = session.target.total((site, DENSE) for site in session.network.inventory.sites).weight_bytes
    stored = session.dense.figures.stored_weight_bytes  # without the channels that put out nothing
    assert stored <= price < 1.15 * stored
    assert price < 0.5 * session.network.whole.count_params()


def test_target_c_keeps_a_budget_of_what_is_left(model: keras.Model, tmp_path: Path) -> None:
    """Its original is stored sparse: a kernel that is no constant of its operator once ended this run."""
    model.save(tmp_path / "net.keras")
    paths = {"input_path": tmp_path / "net.keras", "output_path": tmp_path / "net.tflite"}
    result = compress(Options(**paths, target="c", compression_factor=0.6, no_html=True))
    assert result.kept <= 0.6
