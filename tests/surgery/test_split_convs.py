"""Splitting is exact: the rewritten network equals the network with the reconstructed kernels, whatever the site."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from compiler.decompose.factors import Factors
from compiler.surgery.split_convs import split_convs
from compiler.types import Choice, ConvSite, Inventory
from tests.frontend import networks
from tests.surgery.cases import (
    bias_of,
    choices_of,
    conv_of_every_geometry,
    dense_of_every_rank,
    fitted,
    normal_form,
    odd_kernels,
    with_reconstructed_kernels,
)
from tests.surgery.split_networks import CORTEX_M, ETHOS_U, MOBILE, assert_equal, convs_of


def nth(index: int) -> Callable[[ConvSite], Choice]:
    """Of every site its choice number `index`, round and round."""
    return lambda site: choices_of(site)[index % len(choices_of(site))]


@pytest.fixture(scope="module")
def geometries() -> tuple[keras.Model, Inventory]:
    return normal_form(conv_of_every_geometry())


@pytest.mark.parametrize("turn", range(5))
def test_exact_over_stride_padding_dilation_bias_and_activation(
    geometries: tuple[keras.Model, Inventory], turn: int
) -> None:
    """In five turns each of the four sites of one geometry gets five choices: all twenty of them, or nineteen."""
    model, inventory = geometries
    assert {len(choices_of(site)) for site in inventory.sites} == {19, 20}
    order = {site.name: 5 * index + turn for index, site in enumerate(inventory.sites)}
    factors, choices = fitted(inventory, lambda site: nth(order[site.name] % 20)(site))
    target = (MOBILE, CORTEX_M, ETHOS_U)[turn % 3]
    assert_equal(with_reconstructed_kernels(model, factors), split_convs(model, factors, choices, inventory, target))


@pytest.mark.parametrize("index", range(20))
@pytest.mark.parametrize("network", [odd_kernels, dense_of_every_rank])
def test_exact_for_odd_kernels_and_dense_layers(network: Callable[[], keras.Model], index: int, cached: Cached) -> None:
    model, inventory = cached(network)
    factors, choices = fitted(inventory, nth(index))
    target = (MOBILE, CORTEX_M, ETHOS_U)[index % 3]
    assert_equal(with_reconstructed_kernels(model, factors), split_convs(model, factors, choices, inventory, target))


Cached = Callable[[Callable[[], keras.Model]], tuple[keras.Model, Inventory]]


@pytest.fixture(scope="module")
def cached() -> Cached:
    made: dict[Callable[[], keras.Model], tuple[keras.Model, Inventory]] = {}
    return lambda network: made.setdefault(network, made.get(network) or normal_form(network()))


@pytest.mark.parametrize("network", list(networks.NETWORKS.values()), ids=list(networks.NETWORKS))
@pytest.mark.parametrize("index", [9, 17])
def test_exact_in_shared_nested_and_branched_networks(network: Callable[[], keras.Model], index: int) -> None:
    model, inventory = normal_form(network())
    factors, choices = fitted(inventory, nth(index))
    split = split_convs(model, factors, choices, inventory, CORTEX_M)
    assert_equal(with_reconstructed_kernels(model, factors), split, 2e-5)


def test_shared_layers_stay_shared() -> None:
    model, inventory = normal_form(networks.shared())
    choice = Choice("tucker2", (2, 2), "filter", None, 2)
    factors, choices = fitted(inventory, lambda site: choice)
    split = split_convs(model, factors, choices, inventory, CORTEX_M)
    assert len(convs_of(split)) == 4  # three factors and the branch, though all are called twice
    assert_equal(with_reconstructed_kernels(model, factors), split)


def test_names() -> None:
    inputs = networks.image()
    outputs = [layers.Conv2D(6, 3, activation="relu", name=f"conv{i}")(inputs) for i in range(4)]
    model, inventory = normal_form(keras.Model(inputs, outputs))
    some = {
        "conv0": Choice("tucker4", (2, 2, 3), "channel", None, 2),
        "conv1": Choice("tucker2", (2, 3)),
        "conv2": Choice("none", (), "filter", None, 2),
        "conv3": Choice("cp", (5,)),
    }
    factors, choices = fitted(Inventory(inventory.sites[:4]), lambda site: some[site.name])
    split = split_convs(model, factors, choices, inventory, CORTEX_M)
    suffixes = {
        "conv0": ("first", "vertical", "horizontal", "last", "gather", "sparse", "add", "activation"),
        "conv1": ("first", "core", "last", "activation"),
        "conv2": ("sparse", "scatter", "activation"),
        "conv3": ("first", "depthwise", "last", "activation"),
    }
    expected = {f"{name}_{suffix}" for name in suffixes for suffix in suffixes[name]}
    assert {operation.name for operation in split.operations} == {*expected, "image"}


def test_the_source_is_left_alone() -> None:
    model, inventory = normal_form(networks.residual())
    before = [weights.copy() for weights in model.get_weights()]
    split_convs(model, *fitted(inventory, nth(3)), inventory, MOBILE)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_names_do_not_clash_with_the_networks_own() -> None:
    """Not with a layer's, and not with those that another session gave to `keras.ops`."""
    inputs = networks.image()
    x = layers.Conv2D(4, 3, name="conv")(inputs)
    x = layers.ReLU(name="conv_sparse")(keras.ops.take(x, [0, 1, 2, 3], axis=-1))
    for operation in keras.Model(inputs, x).operations:
        if operation.name.startswith("take"):
            operation.name = "conv_gather"
    x = keras.layers.Activation("relu", name="take")(x)
    model, inventory = normal_form(keras.Model(inputs, layers.Activation("relu", name="pad")(x)))
    for structure in ("filter", "channel"):
        factors, choices = fitted(inventory, lambda site, s=structure: Choice("tucker2", (2, 2), s, None, 2))
        split = split_convs(model, factors, choices, inventory, CORTEX_M)
        assert_equal(with_reconstructed_kernels(model, factors), split)


def test_a_saved_network_loads_in_safe_mode(tmp_path: Path) -> None:
    model, inventory = normal_form(networks.residual())
    factors, choices = fitted(inventory, lambda site: Choice("none", (), "channel", None, 2))
    split = split_convs(model, factors, choices, inventory, CORTEX_M)
    split.save(tmp_path / "split.keras")
    loaded = keras.models.load_model(tmp_path / "split.keras", safe_mode=True)
    assert_equal(split, loaded, 0.0)


def test_channels_in_front_of_a_scatter_are_equally_loud(one_conv: tuple[keras.Model, Inventory]) -> None:
    """One scale holds all of them in int8: a loud one would leave the others no steps."""
    model, inventory = one_conv
    kernel = np.random.default_rng(1).normal(size=(3, 3, 4, 6)).astype(np.float32)
    kernel *= np.array([1, 0, 1000, 0, 1, 0], np.float32)
    loudness = np.linalg.norm(kernel.reshape(-1, 6), axis=0) + (kernel == 0).all((0, 1, 2))  # of white inputs
    factors = {"conv": (Factors((), kernel, loudness), bias_of(inventory.sites[0]))}
    choice = Choice("none", (), "filter", None, 3)
    split = split_convs(model, factors, {"conv": choice}, inventory, CORTEX_M)
    assert_equal(with_reconstructed_kernels(model, factors), split)
    x = np.random.default_rng(2).normal(size=(200, 6, 5, 4)).astype(np.float32)
    middle = np.asarray(keras.Model(split.input, split.get_layer("conv_sparse").output)(x))
    inner = middle[:, 1:-1, 1:-1]  # where no patch reaches over the border
    np.testing.assert_allclose(inner.std((0, 1, 2)), 1.0, rtol=0.1)
