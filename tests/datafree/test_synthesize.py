"""Inputs made from the network alone: nearer to what it remembers, the same for a seed, honest about their source."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers

from compiler.datafree.natural_noise import natural_noise
from compiler.datafree.synthesize import Synthetic, batchnorm_memories, divergence, synthesize
from tests.datafree.batchnorm_network import SHAPE, batchnorm_network, mismatch
from tests.frontend.networks import randomize

STEPS = 25


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """What it remembers is natural in scale, and of a tint and a contrast that the noise does not have."""
    u = natural_noise(64, SHAPE, np.random.default_rng(5))
    return batchnorm_network((0.6 * u ** np.array([0.5, 1.0, 2.0]) + [0.3, 0.0, 0.1]).astype(np.float32))


@pytest.fixture(scope="module")
def make(network: keras.Model) -> Callable[..., Synthetic]:
    def make(steps: int = STEPS, seed: int = 0, n: int = 40, batch: int = 32, **kwargs: object) -> Synthetic:
        arguments = {"seed": seed, "classifier": True, "input_range": (0, 1), "steps": steps, "batch": batch}
        return synthesize(network, network, n, **(arguments | kwargs))  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="module")
def made(make: Callable[..., Synthetic]) -> Synthetic:
    return make()


def test_the_batchnorms_see_what_they_remember(
    network: keras.Model, make: Callable[..., Synthetic], made: Synthetic
) -> None:
    start = make(steps=1)
    before, after = mismatch(network, start.inputs[0]), mismatch(network, made.inputs[0])
    assert after < 0.5 * before
    assert made.mismatch < 0.5 * start.mismatch
    assert made.mismatch == pytest.approx(after, rel=0.5)


def test_rounds_follow_until_the_batch_matches(make: Callable[..., Synthetic], monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[None] = []

    def made(most_steps: int | None) -> Synthetic:
        taken.clear()
        return make(steps=4, most_steps=most_steps, n=32, advance=lambda: taken.append(None))

    monkeypatch.setattr("compiler.datafree.synthesize.MATCHED", 0.0)
    short, longer = made(None), made(40)
    assert longer.mismatch < 0.5 * short.mismatch
    assert len(taken) == 40  # 4, 4, 8 and 16 steps, and what is left counts as done
    monkeypatch.setattr("compiler.datafree.synthesize.MATCHED", 1e9)
    np.testing.assert_array_equal(made(40).inputs[0], short.inputs[0])
    assert len(taken) == 40


def test_are_whole_batches_in_range(made: Synthetic) -> None:
    (x,) = made.inputs
    assert x.shape == (64, *SHAPE)
    assert x.dtype == np.float32
    assert x.min() >= 0
    assert x.max() <= 1
    assert x.std() > 0.1


def test_say_how_they_came_about(made: Synthetic) -> None:
    assert made.source == "64 synthetic inputs, matched to 2 BatchNorms, inputs 0..1"


def test_repeat_for_a_seed(make: Callable[..., Synthetic]) -> None:
    first, again, other = (make(steps=3, seed=seed, n=8, batch=8) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.inputs[0], again.inputs[0])
    assert first.mismatch == again.mismatch
    assert not np.array_equal(first.inputs[0], other.inputs[0])


def test_batches_differ(make: Callable[..., Synthetic]) -> None:
    (x,) = make(steps=2, n=16, batch=8).inputs
    assert not np.array_equal(x[:8], x[8:])


def test_progress_is_a_step_of_a_batch(make: Callable[..., Synthetic]) -> None:
    steps: list[None] = []
    make(steps=3, n=16, batch=8, advance=lambda: steps.append(None))
    assert len(steps) == 6


def test_the_range_is_inferred_where_none_is_given(make: Callable[..., Synthetic]) -> None:
    assert make(steps=1, n=8, batch=8, input_range=None).source.endswith("matched to 2 BatchNorms, inputs 0..1")


def plain() -> keras.Model:
    """No BatchNorm."""
    inputs = keras.Input(SHAPE)
    h = layers.Conv2D(8, 3, strides=2, activation="relu", name="conv")(inputs)
    return randomize(keras.Model(inputs, layers.Dense(4, name="logits")(layers.Flatten()(h))))


def test_without_batchnorm_falls_back_and_says_so() -> None:
    model = plain()
    made = synthesize(model, model, 32, seed=0, classifier=True, steps=2, batch=32)
    assert made.source.startswith("32 synthetic inputs, no BatchNorm: natural noise moved until")
    assert np.isnan(made.mismatch)
    given = synthesize(model, model, 32, seed=0, classifier=True, input_range=(0, 255), steps=2, batch=32)
    assert given.source.endswith("inputs 0..255")
    assert given.spans == ((0, 255),)
    assert given.inputs[0].max() > 100


def test_a_network_of_two_inputs() -> None:
    left, right = keras.Input((8, 8, 3), name="left"), keras.Input((6,), name="right")
    h = layers.BatchNormalization(name="bn")(layers.Conv2D(4, 3, name="conv")(left))
    h = layers.Concatenate()([layers.GlobalAveragePooling2D()(h), right])
    model = randomize(keras.Model([left, right], layers.Dense(3, name="out")(h)))
    made = synthesize(model, model, 8, seed=0, classifier=False, input_range=(0, 1), steps=3, batch=8)
    assert [x.shape for x in made.inputs] == [(8, 8, 8, 3), (8, 6)]
    assert made.spans == ((0, 1), (0, 1))
    assert all(np.isfinite(x).all() for x in made.inputs)


def test_memories_are_those_of_the_running_statistics(network: keras.Model) -> None:
    taps, memories = batchnorm_memories(network)
    assert len(taps) == len(memories) == 2
    mean, variance = memories[0]
    norm = network.get_layer("bn0")
    np.testing.assert_array_equal(mean, np.asarray(norm.moving_mean))
    np.testing.assert_allclose(variance, np.asarray(norm.moving_variance) + norm.epsilon)


def test_divergence_is_that_of_two_normal_distributions() -> None:
    random = np.random.default_rng(0)
    x = (random.normal(size=(4000, 2)) * [2.0, 1.0] + [1.0, 0.0]).astype(np.float32)
    x = (x - x.mean(0)) / x.std(0) * [2.0, 1.0] + [1.0, 0.0]
    # KL(N(1, 4) ‖ N(0, 1)) = ½ (4 − 1 − ln 4 + 1), and the second channel is as remembered
    value = float(divergence(x.astype(np.float32), np.zeros(2, np.float32), np.ones(2, np.float32)))
    assert value == pytest.approx(0.5 * 0.5 * (4 - np.log(4)), rel=1e-2)
