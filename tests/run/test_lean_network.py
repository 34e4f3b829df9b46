"""Constant channels are gone before anything is priced, and what they cost counts as saved."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from compiler.backend.targets import TARGETS
from compiler.frontend.read_network import read_network
from compiler.options import Options
from compiler.pipeline import analyse, compress, priced
from compiler.result import Result
from compiler.run.attempt import Attempts
from compiler.run.front import front_of
from compiler.run.lean_network import lean_network
from compiler.solver.limits import Limited, Limits
from compiler.verbs.inspect import run
from tests.frontend.networks import randomize

ALIVE = 19  # of 32 channels


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a separable network's channels many put out nothing."""
    x = inputs = keras.Input((12, 12, 3))
    for name in ("one", "two", "three"):
        x = layers.ReLU(6.0)(layers.Conv2D(32, 1, name=f"{name}_point")(x))
        x = layers.ReLU(6.0)(layers.DepthwiseConv2D(3, padding="same", name=f"{name}_depth")(x))
    model = randomize(keras.Model(inputs, layers.Dense(4, name="logits")(layers.GlobalAveragePooling2D()(x))))
    for name in ("one", "two", "three"):
        layer = model.get_layer(f"{name}_point")
        kernel, bias = layer.get_weights()
        kernel[..., ALIVE:], bias[ALIVE:], bias[:ALIVE] = 0, -0.5, 0.5
        layer.set_weights([kernel, bias])
    path = tmp_path_factory.mktemp("lean") / "net.keras"
    model.save(path)
    return path


def options(path: Path, **changes: object) -> Options:
    made = Options(input_path=path, output_path=path.with_suffix(".tflite"), no_html=True)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_prices_count_what_is_gone_as_saved(path: Path) -> None:
    asked = options(path)
    session = analyse(asked, asked.input_path)
    dropped = session.inventory.dropped
    assert dropped == session.original.figures.cost - session.dense.figures.cost
    assert dropped.weight_bytes > 0.3 * session.original.figures.stored_weight_bytes
    assert dropped.macs > 0.3 * session.original.figures.macs
    offered = priced(session)
    attempts = Attempts(session, offered, "params")
    built, wishes = attempts(0.5), attempts.wishes
    stored, whole = built.emitted.figures.stored_weight_bytes, session.original.figures.stored_weight_bytes
    solution = wishes.plan(0.5)[0]
    assert abs(solution.kept - stored / whole) < 0.02
    # The plan that leaves every layer whole keeps what the narrower network keeps.
    assert wishes.plan(1.0)[0].kept == pytest.approx(session.dense.figures.stored_weight_bytes / whole, abs=0.02)
    assert front_of(session, offered, "params", 5)[-1].factor == pytest.approx(wishes.plan(1.0)[0].kept, abs=0.02)
    assert wishes.model.time_ratio({}) < 0.95
    assert wishes.lowest() < 0.4
    ratio = wishes.model.time_ratio({})
    rows = Limited(Limits(latency_ratio=ratio), wishes.model).rows(offered, session.inventory.sites)
    assert rows is not None
    assert rows.bounds[0] == pytest.approx(0, abs=1e-6 * wishes.model.original_time)  # nothing is left to save


def test_half_the_weights_lose_nothing(path: Path) -> None:
    result = compress(options(path, compression_factor=0.7))
    assert isinstance(result, Result)
    assert result.kept <= 0.7
    assert result.predicted_loss == 0
    (note,) = [note for note in result.notes if "whose value no input changes" in note]
    model = keras.models.load_model(path)
    gone = 3 * (13 * 1 + 13 * 10) + 13 * 3 + 2 * (32 * 32 - 19 * 19) + 13 * 4
    assert note.startswith(f"{gone:,} of {model.count_params():,} weights belonged to channels")


def test_what_exclude_names_keeps_its_shape(path: Path) -> None:
    asked = options(path, exclude="two_point")
    session = analyse(asked, asked.input_path)
    assert session.network.folded.get_layer("two_point").kernel.shape == (1, 1, 32, 32)
    assert session.network.folded.get_layer("three_point").kernel.shape == (1, 1, 32, ALIVE)


@pytest.mark.parametrize(("target", "width"), [("mobile", 19), ("cortex_m", 20), ("c", 19)])
def test_channels_stay_on_the_targets_grid(path: Path, target: str, width: int) -> None:
    asked = options(path, target=target)
    session = analyse(asked, asked.input_path)
    widths = [site.c_out for site in session.network.inventory.sites if site.name != "logits"]
    assert widths == [width, width, width]


def test_channels_stay_on_the_grid_of_blocks_that_are_asked_for(path: Path) -> None:
    asked = options(path, pruning_structure="block", block_size=(4, 8))
    session = analyse(asked, asked.input_path)
    assert [site.c_out for site in session.network.inventory.sites if site.name != "logits"] == [24, 24, 24]


def test_where_float32_is_too_coarse_they_stay(tmp_path: Path) -> None:
    """A constant of 10^5 that the next bias takes back: without it the sums round in another way."""
    x = inputs = keras.Input((6, 6, 3))
    x = layers.ReLU()(layers.Conv2D(8, 3, name="stem")(x))
    x = layers.GlobalMaxPooling2D()(layers.ReLU()(layers.Conv2D(8, 1, name="next")(x)))
    model = randomize(keras.Model(inputs, layers.Dense(3)(x)))
    kernel, bias = model.get_layer("stem").get_weights()
    kernel[..., 0], bias[0] = 0, 1e5
    model.get_layer("stem").set_weights([kernel, bias])
    kernel, bias = model.get_layer("next").get_weights()
    model.get_layer("next").set_weights([kernel, -1e5 * kernel[0, 0, 0]])
    model.save(tmp_path / "net.keras")
    asked = options(tmp_path / "net.keras", compression_factor=0.8)
    told: list[str] = []
    network = read_network(asked.input_path, model_name=None, input_shape=None, exclude=None)
    assert lean_network(network, TARGETS["mobile"], asked, told.append) is network
    (note,) = told
    assert note.startswith(
        "constant channels stay: leaving out constant channels leaves the network as it is: output 0"
    )
    assert compress(asked).kept <= 0.8


def test_inspect_tells(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(["--input_path", str(path)])
    assert "weights belonged to channels whose value no input changes" in " ".join(capfd.readouterr().out.split())
    run(["--input_path", str(path), "--json"])
    (note,) = json.loads(capfd.readouterr().out)["notes"]
    assert "whose value no input changes" in note


def test_the_original_is_the_network_as_it_was(path: Path) -> None:
    asked = options(path)
    session = analyse(asked, asked.input_path)
    x = np.random.default_rng(0).random((4, 12, 12, 3)).astype(np.float32)
    whole, lean = (np.asarray(m(x)) for m in (session.network.whole, session.network.folded))
    np.testing.assert_allclose(lean, whole, atol=1e-5 * np.abs(whole).max())
    assert session.network.whole.get_layer("one_point").kernel.shape == (1, 1, 3, 32)
