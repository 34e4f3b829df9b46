"""The units of a network's inputs, read from what its BatchNorms remember."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from compiler.datafree.input_range import conventions, infer_input_range, of_range
from compiler.datafree.natural_noise import natural_noise
from compiler.datafree.synthesize import batchnorm_memories, mean_divergence
from tests.datafree.batchnorm_network import SHAPE, batchnorm_network

NAMES = ["0..1", "-1..1", "0..255", "-128..127", "standardised as ImageNet", "0..255 less ImageNet's mean, BGR"]


@pytest.mark.parametrize("name", NAMES)
def test_is_recovered_from_the_first_statistics(name: str) -> None:
    convention = next(c for c in conventions([SHAPE]) if c.name == name)
    model = batchnorm_network(convention(natural_noise(64, SHAPE, np.random.default_rng(5))))
    taps, memories = batchnorm_memories(model)
    probe = keras.Model(model.inputs, taps)
    found, _ = infer_input_range([SHAPE], lambda x: mean_divergence(probe(x), memories), seed=0)
    assert found.name == name


@pytest.mark.parametrize("softness", [0.7, 1.0])
@pytest.mark.parametrize("name", ["-1..1", "0..255", "standardised"])
def test_soft_pictures_are_not_taken_for_faint_ones(name: str, softness: float) -> None:
    convention = next(c for c in conventions([SHAPE]) if c.name == name)
    model = batchnorm_network(convention(natural_noise(64, SHAPE, np.random.default_rng(5), softness)))
    taps, memories = batchnorm_memories(model)
    probe = keras.Model(model.inputs, taps)
    found, blur = infer_input_range([SHAPE], lambda x: mean_divergence(probe(x), memories), seed=0)
    assert found.name == name
    assert blur == pytest.approx(softness, abs=0.31)


def test_pictures_have_the_usual_conventions_and_others_any_scale() -> None:
    assert set(NAMES) <= {c.name for c in conventions([(32, 32, 3)])}
    assert "standardised as ImageNet" not in {c.name for c in conventions([(32, 32, 1)])}
    assert all(c.bounded for c in conventions([(32, 32, 3)]))
    assert not all(c.bounded for c in conventions([(49, 10, 1)]))
    assert len({c.name for c in conventions([(40,)])}) == len(conventions([(40,)]))


def test_a_plain_scale_is_recovered_for_what_is_no_picture() -> None:
    spread = 30.0

    def mismatch(x: list[np.ndarray]) -> float:
        return abs(float(np.log(x[0].std() / spread))) + abs(float(x[0].mean())) / spread

    found, softness = infer_input_range([(40,)], mismatch, seed=0)
    assert softness == 0
    values = found(natural_noise(100, (40,), np.random.default_rng(1)))
    assert values.std() == pytest.approx(spread, rel=0.4)
    assert abs(values.mean()) < spread


def test_a_given_range_is_that_range() -> None:
    convention = of_range(-3, 5)
    assert convention.name == "-3..5"
    np.testing.assert_allclose(convention(np.array([0.0, 0.5, 1.0])), [-3, 1, 5])
    assert (convention.low, convention.high) == (-3, 5)
    assert convention(np.zeros(1)).dtype == np.float32


def test_the_usual_conventions_are_the_preprocessing_they_name() -> None:
    by_name = {c.name: c for c in conventions([(1, 1, 3)])}
    u = np.array([0.2, 0.5, 0.9])
    np.testing.assert_allclose(
        by_name["standardised as ImageNet"](u),
        (u - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
        rtol=1e-5,
    )
    caffe = by_name["0..255 less ImageNet's mean, BGR"](u)
    np.testing.assert_allclose(caffe, 255 * u - [103.939, 116.779, 123.68], rtol=1e-5)


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),  # ImageNet
        ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),  # CIFAR-10
        ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),  # CIFAR-10, of one picture at a time
        ((0.1307,), (0.3081,)),  # MNIST
    ],
)
def test_standardised_inputs_may_reach_as_far_as_pixels_do(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    convention = next(c for c in conventions([(32, 32, len(mean))]) if c.name == "standardised")
    assert convention.span is not None
    low, high = convention.span
    assert low <= np.min((0 - np.array(mean)) / std)
    assert high >= np.max((1 - np.array(mean)) / std)
    assert (convention.low, convention.high) == (-2, 2)  # what they are made within


def test_the_span_is_that_of_all_channels_and_of_what_is_bounded() -> None:
    assert of_range(-3, 5).span == (-3, 5)
    low, high = next(c for c in conventions([(8, 8, 3)]) if c.name == "standardised as ImageNet").span or (0, 0)
    assert (low, high) == pytest.approx((-2.1179, 2.64), abs=1e-4)
    assert all(c.span is None for c in conventions([(40,)]) if not c.bounded)
