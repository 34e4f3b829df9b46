"""Recovery by training: better on held-out inputs or nothing, and what the plan chose stays."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from compiler.datafree.study import Study
from compiler.decompose.fit import fit
from compiler.frontend.read_network import Network
from compiler.surgery.distil import Trained, distil, varied
from compiler.surgery.realise import Divergence, fit_all
from compiler.surgery.refit import Fitted
from compiler.types import DENSE, Choice
from tests.decompose.cases import kernel_of, metric_of
from tests.surgery.cases import read_from_file, study_of_noise

CHOICES = {
    "conv0": Choice("tucker2", (2, 4)),
    "conv1": Choice("tucker2", (3, 4), "unstructured", None, 60),
    "conv2": Choice("none", (), "filter", None, 9),
    "logits": DENSE,
}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    x = inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(12, 3, padding="same", activation="relu", name="conv0")(x)
    branch = layers.Conv2D(12, 3, padding="same", activation="relu", name="conv1")(x)
    x = layers.Add(name="add")([x, branch])
    x = layers.Conv2D(12, 3, activation="relu", name="conv2")(x)
    outputs = layers.Dense(5, activation="softmax", name="logits")(layers.GlobalAveragePooling2D()(x))
    return read_from_file(keras.Model(inputs, outputs), tmp_path_factory.mktemp("distil"))


@pytest.fixture(scope="module")
def knowledge(network: Network) -> Study:
    return study_of_noise(network, 160, 8, 8, 4)


@pytest.fixture(scope="module")
def fitted(network: Network, knowledge: Study) -> Fitted:
    return fit_all(network, knowledge, CHOICES, 1)


def trained(network: Network, knowledge: Study, fitted: Fitted, steps: int = 80) -> Fitted:
    return distil(network, knowledge, fitted, Divergence(network, knowledge.held_out), seed=0, steps=steps, batch=32)


@pytest.mark.parametrize(
    "choice",
    [
        Choice("tucker2", (2, 4)),
        Choice("tucker4", (2, 3, 4)),
        Choice("cp", (5,)),
        Choice("tucker2", (2, 4), "filter", None, 3),
    ],
    ids=lambda choice: choice.chain,
)
def test_the_kernel_that_is_trained_is_the_one_that_is_reconstructed(choice: Choice) -> None:
    factors = fit(kernel_of((3, 2, 4, 6), dtype=np.float32), metric_of((3, 2, 4, 6), dtype=np.float32), choice)
    kernel, _ = Trained(factors, np.zeros(6, np.float32)).kernel_and_bias()
    np.testing.assert_allclose(kernel.numpy(), factors.reconstruct(), rtol=1e-4, atol=1e-5)


def test_training_brings_held_out_outputs_nearer(network: Network, knowledge: Study, fitted: Fitted) -> None:
    judge = Divergence(network, knowledge.held_out)
    assert judge(trained(network, knowledge, fitted)) < 0.9 * judge(fitted)


def test_what_the_plan_chose_stays(network: Network, knowledge: Study, fitted: Fitted) -> None:
    after = trained(network, knowledge, fitted)
    changed = 0
    for name, (factors, bias) in after.items():
        before, old_bias = fitted[name]
        assert bias.shape == old_bias.shape
        assert [(role, f.shape) for role, f in factors.chain] == [(role, f.shape) for role, f in before.chain]
        assert (factors.sparse is None) == (before.sparse is None)
        if factors.sparse is not None and before.sparse is not None:
            assert np.all(factors.sparse[before.sparse == 0] == 0)
            changed += not np.array_equal(factors.sparse, before.sparse)
    assert changed == 2


def test_the_same_seed_trains_the_same(network: Network, knowledge: Study, fitted: Fitted) -> None:
    first, second = (trained(network, knowledge, fitted, steps=20) for _ in range(2))
    for name, (factors, bias) in first.items():
        np.testing.assert_array_equal(factors.reconstruct(), second[name][0].reconstruct())
        np.testing.assert_array_equal(bias, second[name][1])


def test_where_nothing_gets_better_nothing_changes(network: Network, knowledge: Study, fitted: Fitted) -> None:
    looks: list[Fitted] = []

    def worse_each_time(now: Fitted) -> float:
        looks.append(now)
        return float(len(looks))

    found = distil(network, knowledge, fitted, worse_each_time, seed=0, steps=200, batch=16)
    assert found is fitted
    assert len(looks) == 5  # one before, and as many as patience lasts


def test_pictures_are_flipped_and_shifted_others_are_not() -> None:
    random = np.random.default_rng(0)
    pictures = random.normal(size=(8, 16, 24, 3)).astype(np.float32)
    seen = varied(pictures, random)
    assert seen.shape == pictures.shape
    assert not np.array_equal(seen, pictures)
    assert set(np.unique(seen)) <= set(np.unique(pictures))
    for others in (random.normal(size=(8, 40)), random.normal(size=(8, 16, 24, 5)), random.normal(size=(8, 8, 8, 3))):
        assert varied(others, random) is others
