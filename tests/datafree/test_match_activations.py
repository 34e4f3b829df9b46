"""Without BatchNorm: the units of the inputs are told from what layers usually see, and a file's ranges are kept."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers

from compiler.datafree.match_activations import Tap, activation_taps, match_activations, unlikeliness
from compiler.datafree.natural_noise import natural_noise
from compiler.frontend.import_tflite import Quantized
from tests.frontend.networks import randomize

SHAPE = (16, 16, 3)
UNITS = {"0..1": (1.0, 0.0), "0..255": (255.0, 0.0), "-1..1": (2.0, -1.0), "standardised": (4.0, -2.0)}


def trained(units: str, seed: int = 3) -> keras.Model:
    """Random layers whose outputs are standard normal by channel on noise in `units`, as folded BatchNorms leave them;
    standardised layer by layer."""
    x = inputs = keras.Input(SHAPE, name="image")
    for index in range(3):
        x = layers.Conv2D(8, 3, strides=2, padding="same", name=f"conv{index}")(x)
        x = layers.Activation("relu", name=f"relu{index}")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = randomize(keras.Model(inputs, layers.Dense(4, name="logits")(x)), seed)
    scale, shift = UNITS[units]
    image = scale * natural_noise(64, SHAPE, np.random.default_rng(5), 1.0) + shift
    for index in range(3):
        layer = model.get_layer(f"conv{index}")
        made = np.asarray(keras.Model(inputs, layer.output)(image))
        kernel, bias = layer.get_weights()
        mean, deviation = made.mean((0, 1, 2)), made.std((0, 1, 2))
        layer.set_weights([kernel / deviation, (bias - mean) / deviation])
    return model


def made_for(model: keras.Model, **given: object) -> tuple[np.ndarray, str]:
    arguments = {"seed": 0, "classifier": True, "input_range": None, "quantized": None, "steps": 12, "batch": 32}
    [x], source, _ = match_activations(model, model, 32, **(arguments | given))  # type: ignore[arg-type]
    return x, source


@pytest.mark.parametrize("units", ["0..1", "0..255", "-1..1"])
def test_units_are_told_from_the_layers(units: str) -> None:
    x, source = made_for(trained(units))
    assert source.endswith(f"inputs {units} (the likeliest; give --input_range)")
    assert source.startswith("32 synthetic inputs, no BatchNorm: natural noise moved until what 3 layers make is about")
    scale, shift = UNITS[units]
    assert x.shape == (32, *SHAPE)
    assert x.min() >= shift
    assert x.max() <= shift + scale
    assert x.std() > 0.1 * scale


def test_layers_come_nearer_to_the_prior() -> None:
    model = trained("0..1")
    taps = activation_taps(model, model, {})

    def miss(x: np.ndarray) -> float:
        return float(sum(unlikeliness(keras.Model(model.input, tap.tensor)(x), tap) for tap in taps))

    dull = {"input_range": (0.0, 1.0)}
    assert miss(made_for(model, **dull, steps=30)[0]) < 0.8 * miss(made_for(model, **dull, steps=1)[0])


def test_classes_are_balanced() -> None:
    model = trained("0..1")

    def rarest(steps: int) -> int:
        x, _ = made_for(model, steps=steps, input_range=(0.0, 1.0))
        return int(np.bincount(np.argmax(np.asarray(model(x)), -1), minlength=4).min())

    assert rarest(1) <= 1
    assert rarest(30) >= 5


def test_the_user_knows_better_than_the_file_and_the_file_than_the_layers() -> None:
    model, file = trained("0..1"), Quantized(((-3.0, 5.0),))
    x, source = made_for(model, quantized=file)
    assert source.endswith("; inputs -3..5")
    assert -3 <= x.min() < 0 < 1 < x.max() <= 5
    x, source = made_for(model, quantized=file, input_range=(0.0, 7.0))
    assert source.endswith("; inputs 0..7")
    assert 5 < x.max() <= 7


def test_the_range_of_the_file_bounds_what_is_no_picture() -> None:
    x = inputs = keras.Input((20, 2), name="series")
    x = layers.Dense(6, activation="relu", name="first")(layers.Flatten()(x))
    model = randomize(keras.Model(inputs, layers.Dense(3, name="logits")(x)))
    values, _ = made_for(model, quantized=Quantized(((-0.4, 0.6),)))
    assert values.min() >= np.float32(-0.4)
    assert values.max() <= np.float32(0.6)


def test_layers_keep_within_the_ranges_of_the_file() -> None:
    model = trained("0..1")
    outer = keras.Model(model.input, model.get_layer("relu1").output)

    def largest(ranges: dict[str, tuple[float, float]]) -> float:
        x, source = made_for(model, quantized=Quantized(((0.0, 1.0),), ranges), steps=60)
        assert source.endswith(f"carries of {len(ranges)}; inputs 0..1") == bool(ranges)
        return float(np.max(np.asarray(outer(x))))

    free = largest({})
    assert largest({"relu1": (0.0, 0.6 * free)}) < 0.85 * free


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ({}, (None, None)),
        ({"conv": (-2.0, 3.0)}, (-2.0, 3.0)),
        ({"act": (0.0, 3.0)}, (None, 3.0)),
        ({"act": (0.0, 6.0)}, (None, None)),  # ReLU6 at its end tells of nothing beyond
    ],
)
def test_extremes_are_those_that_the_activation_lets_through(ranges: dict, expected: tuple) -> None:
    inputs = keras.Input(SHAPE)
    h = layers.Activation("relu6", name="act")(layers.Conv2D(4, 3, name="conv")(inputs))
    model = keras.Model(inputs, layers.Dense(2, name="logits")(layers.Flatten()(h)))
    [tap] = activation_taps(model, model, ranges)
    assert tap.extremes == expected


def test_a_lone_layer_is_tapped_though_it_makes_the_logits() -> None:
    inputs = keras.Input((5,))
    model = randomize(keras.Model(inputs, layers.Dense(3, name="logits")(inputs)))
    assert len(activation_taps(model, model, {})) == 1
    assert np.isfinite(made_for(model)[0]).all()


def test_several_inputs_have_each_their_own_range() -> None:
    left, right = keras.Input((8, 8, 3), name="left"), keras.Input((8, 8, 3), name="right")
    h = layers.Conv2D(4, 3, name="conv")(layers.Concatenate()([left, right]))
    model = randomize(keras.Model([left, right], layers.Dense(2, name="out")(layers.Flatten()(h))))
    (a, b), _, spans = match_activations(
        model,
        model,
        8,
        seed=0,
        classifier=True,
        input_range=None,
        quantized=Quantized(((0.0, 1.0), (-50.0, 50.0))),
        steps=2,
        batch=8,
    )
    assert 0 <= a.min() < a.max() <= 1
    assert -50 <= b.min() < -10 < 10 < b.max() <= 50
    assert spans == ((0.0, 1.0), (-50.0, 50.0))


NORMAL = np.random.default_rng(0).normal(size=(4000, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda x: x, 0.0),
        (lambda x: x + 1, 2.0),  # (m / s)² / 2a², a = ½
        (lambda x: x * np.float32(np.e), 0.5),  # log² s / 2d², d = 1
        (lambda x: x * np.float32([np.exp(-1), 1, np.exp(-1)]), None),  # channels of unequal scale
    ],
)
def test_unlikeliness(change: Callable[[np.ndarray], np.ndarray], expected: float | None) -> None:
    value = float(unlikeliness(change((NORMAL - NORMAL.mean(0)) / NORMAL.std(0)), Tap(None)))
    assert value > 0.5 if expected is None else value == pytest.approx(expected, abs=0.01)


def test_leaving_a_range_is_unlikely() -> None:
    within, beyond = (
        float(unlikeliness(NORMAL, Tap(None, (-told, told)))) for told in (1.01 * float(np.abs(NORMAL).max()), 1.0)
    )
    assert beyond > within + 1
