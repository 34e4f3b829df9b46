"""The curvature from probes beside the one from the whole Jacobian."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from compiler.datafree.curvature import belongs, centred, curvature
from compiler.frontend.logits import logits_model
from compiler.types import Inventory
from tests.surgery.cases import normal_form

CLASSES = 4


def network(**dense: object) -> tuple[keras.Model, Inventory]:
    x = inputs = keras.Input((6, 6, 2))
    x = layers.Conv2D(3, 3, padding="same", activation="relu", name="conv")(x)
    shared = layers.Conv2D(3, 3, padding="same", activation="tanh", name="shared")
    x = layers.GlobalAveragePooling2D()(shared(shared(x)))
    return normal_form(keras.Model(inputs, layers.Dense(CLASSES, name="logits", **dense)(x)))


def explicit(logits: keras.Model, x: np.ndarray, name: str, *, classifier: bool) -> np.ndarray:
    """Σ over positions and calls of JᵀPJ, averaged over inputs, J = ∂z/∂h of every output position by itself."""
    taps = [n.outputs[0] for n in logits.get_layer(name)._inbound_nodes if belongs(n, logits)]
    project = np.eye(CLASSES) - 1 / CLASSES if classifier else np.eye(CLASSES)
    tapped = keras.Model(logits.inputs, [logits.outputs[0], *taps])
    total = 0
    with tf.GradientTape(persistent=True) as tape:
        z, *values = tapped(tf.constant(x))
        each = [tf.reduce_sum(z[:, k]) for k in range(CLASSES)]
    for value in values:
        rows = np.stack([tape.gradient(one, value).numpy().reshape(-1, value.shape[-1]) for one in each])
        total = total + np.einsum("kpi,kl,lpj->ij", rows, project, rows)
    return total / len(x)


@pytest.fixture(scope="module")
def inputs() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(5, 6, 6, 2)).astype(np.float32)


@pytest.mark.parametrize("classifier", [True, False])
def test_many_probes_come_to_the_jacobian(inputs: np.ndarray, classifier: bool) -> None:
    model, found = network()
    seen = curvature(model, [inputs], found, classifier=classifier, seed=0, batch=3, probes=800)
    for site in found.sites:
        expected = explicit(model, inputs, site.name, classifier=classifier)
        error = np.linalg.norm(seen[site.name] - expected) / np.linalg.norm(expected)
        assert error < 0.08, site.name


def test_of_the_logits_themselves_it_is_the_projection(inputs: np.ndarray) -> None:
    """J = I there, so Γ is the identity, and for a classifier the identity less its mean."""
    model, found = network()
    plain = curvature(model, [inputs], found, classifier=False, seed=0, probes=600)["logits"]
    centre = curvature(model, [inputs], found, classifier=True, seed=0, probes=600)["logits"]
    np.testing.assert_allclose(plain, np.eye(CLASSES), atol=0.12)
    np.testing.assert_allclose(centre, np.eye(CLASSES) - 1 / CLASSES, atol=0.12)
    np.testing.assert_allclose(centre @ np.ones(CLASSES), 0, atol=1e-5)


def test_probes_of_a_classifier_are_centred() -> None:
    probe = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    np.testing.assert_allclose(centred(probe, classifier=True).sum(-1), 0, atol=1e-6)
    assert centred(probe, classifier=False) is probe


def test_repeats_for_a_seed_and_not_for_another(inputs: np.ndarray) -> None:
    model, found = network()
    first, again, other = (curvature(model, [inputs], found, classifier=True, seed=s)["conv"] for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_softmax_is_cut_off_first_and_the_network_keeps_its_layers(inputs: np.ndarray) -> None:
    """Behind a softmax that is sure of its answer nothing is felt; before it the logits are."""
    model, found = network(activation="softmax")
    logits, classifier = logits_model(model)
    assert classifier
    seen = curvature(logits, [inputs], found, classifier=True, seed=0)
    assert seen["conv"].shape == (3, 3)
    assert np.trace(seen["logits"]) == pytest.approx(CLASSES - 1, rel=0.5)


def test_what_the_output_does_not_see_has_none(inputs: np.ndarray) -> None:
    x = given = keras.Input((6, 6, 2))
    x = layers.Conv2D(3, 1, name="dead")(x)
    x = layers.Conv2D(2, 1, name="live")(keras.ops.zeros_like(x) + given[..., :1])
    model, found = normal_form(keras.Model(given, x))
    seen = curvature(model, [inputs], found, classifier=False, seed=0)
    assert not seen["dead"].any()
    assert seen["live"].any()
