"""Means and covariances of what layers see, beside numpy on patches written out."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

import compiler.datafree.moments as moments_module
import compiler.datafree.patches as patches_module
from compiler.datafree.moments import Moments, moments
from compiler.datafree.patches import patches
from compiler.decompose.row_covariance import RowCovariance
from compiler.types import ConvSite, Inventory
from tests.surgery.cases import normal_form


def explicit(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = rows.astype(np.float64)
    return rows.mean(0), np.cov(rows.T, bias=True)


def check(found: Moments, rows: np.ndarray) -> None:
    mean, covariance = explicit(rows)
    assert found.rows == len(rows)
    np.testing.assert_allclose(found.mean, mean, atol=1e-5)
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-4 * np.abs(covariance).max())


@pytest.fixture(scope="module")
def network() -> tuple[keras.Model, Inventory, np.ndarray]:
    """A strided convolution, one applied twice, and a Dense."""
    x = inputs = keras.Input((9, 9, 2))
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="strided")(x)
    shared = layers.Conv2D(4, 3, padding="same", activation="relu", name="shared")
    x = shared(shared(x))
    x = layers.Flatten()(x)
    model, found = normal_form(keras.Model(inputs, layers.Dense(3, name="logits")(x)))
    data = np.random.default_rng(0).normal(1.0, 1.0, (6, 9, 9, 2)).astype(np.float32)
    return model, found, data


def seen_by(model: keras.Model, name: str, x: np.ndarray) -> list[np.ndarray]:
    """The inputs of all calls of a layer, by running the network up to there."""
    nodes = model.get_layer(name)._inbound_nodes
    return [np.asarray(keras.Model(model.inputs, node.input_tensors[0])([x])) for node in nodes]


@pytest.mark.parametrize("name", ["strided", "shared", "logits"])
def test_are_those_of_the_patches(network: tuple[keras.Model, Inventory, np.ndarray], name: str) -> None:
    model, found, x = network
    site = found.site(name)
    inputs = seen_by(model, name, x)
    assert len(inputs) == site.calls == (2 if name == "shared" else 1)
    check(moments(model, [x], found, 0)[name], np.concatenate([patches(part, site) for part in inputs]))


def test_chunks_change_nothing(
    network: tuple[keras.Model, Inventory, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, found, x = network
    whole = moments(model, [x], found, 0)
    monkeypatch.setattr(moments_module, "CHUNK", 7)
    for name, part in moments(model, [x], found, 0).items():
        assert part.rows == whole[name].rows
        np.testing.assert_allclose(part.covariance, whole[name].covariance, atol=1e-4)


def test_a_site_with_very_many_patches_is_sampled() -> None:
    inputs = keras.Input((160, 160, 1))
    model, found = normal_form(keras.Model(inputs, layers.Conv2D(2, 1, name="conv")(inputs)))
    x = np.random.default_rng(1).normal(0.5, 2.0, (1, 160, 160, 1)).astype(np.float32)
    sampled = moments(model, [x], found, 0)["conv"]
    assert sampled.rows == 16384 < 160 * 160
    mean, covariance = explicit(patches(x, ConvSite("conv", "conv", (1, 1), 1, 2)))
    assert sampled.mean[0] == pytest.approx(mean[0], abs=0.1)
    assert sampled.covariance[0, 0] == pytest.approx(float(covariance), rel=0.1)


def test_very_wide_patches_keep_their_rows(
    network: tuple[keras.Model, Inventory, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, found, x = network
    whole = moments(model, [x], found, 0)
    monkeypatch.setattr(patches_module, "WIDE", 20)  # "shared" sees 36 numbers, "strided" 18
    kept = moments(model, [x], found, 0)
    assert isinstance(kept["strided"].covariance, np.ndarray)
    for name in ("shared", "logits"):
        covariance = kept[name].covariance
        assert isinstance(covariance, RowCovariance)
        assert kept[name].rows == whole[name].rows
        identity = np.eye(len(covariance), dtype=np.float32)
        np.testing.assert_allclose(covariance @ identity, whole[name].covariance, atol=1e-4)
        np.testing.assert_allclose(kept[name].mean, whole[name].mean, atol=1e-5)
