"""A network that was pruned before is priced at what its file holds."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

from compiler.backend.emit import emit
from compiler.backend.stored_bytes import stored_bytes
from compiler.backend.targets import TARGETS
from compiler.frontend.inventory import inventory
from compiler.run.price_zeros import price_zeros
from compiler.types import DENSE, ConvSite, Inventory
from tests.surgery.cases import normal_form


@pytest.fixture(scope="module")
def pruned() -> tuple[keras.Model, Inventory]:
    """Dead input channels in one layer, nine of ten weights gone in another, nothing in the third."""
    x = inputs = keras.Input((8, 8, 8))
    for name in ("dead", "pruned", "whole"):
        x = layers.Conv2D(64, 3, padding="same", activation="relu", name=name)(x)
    outputs = layers.Dense(4, name="logits")(layers.GlobalAveragePooling2D()(x))
    model, _ = normal_form(keras.Model(inputs, outputs))
    random = np.random.default_rng(0)
    kernel, bias = model.get_layer("dead").get_weights()
    kernel[:, :, 2:] = 0
    model.get_layer("dead").set_weights([kernel, bias])
    kernel, bias = model.get_layer("pruned").get_weights()
    model.get_layer("pruned").set_weights([kernel * (random.uniform(size=kernel.shape) < 0.1), bias])
    return model, price_zeros(inventory(model), model)


def sites_of(found: Inventory) -> dict[str, ConvSite]:
    return {site.name: site for site in found.sites}


def test_zeros_are_counted_as_int8_has_them(pruned: tuple[keras.Model, Inventory]) -> None:
    sites = sites_of(pruned[1])
    assert sites["dead"].zeros == pytest.approx(0.75 * sites["dead"].weights, rel=0.02)
    assert sites["pruned"].zeros == pytest.approx(0.9 * sites["pruned"].weights, rel=0.02)
    assert sites["whole"].zeros < 0.02 * sites["whole"].weights


def test_prices_are_those_of_the_file(pruned: tuple[keras.Model, Inventory]) -> None:
    model, found = pruned
    encoded = {site.name: site.encoded for site in found.sites}
    assert encoded["whole"] == encoded["logits"] == 0
    assert encoded["dead"] < 0.3 * sites_of(found)["dead"].weights
    x = np.random.default_rng(1).normal(size=(16, 8, 8, 8)).astype(np.float32)
    stored = stored_bytes(emit(model, [x], TARGETS["mobile"])).weight_bytes
    assert TARGETS["mobile"].total((site, DENSE) for site in found.sites).weight_bytes == stored
    unknowing = tuple(replace(site, zeros=0, encoded=0) for site in found.sites)
    assert TARGETS["mobile"].total((site, DENSE) for site in unknowing).weight_bytes > 1.5 * stored
