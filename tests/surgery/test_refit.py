"""Refit in order: exact where nothing was lost, and a help where something was."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers

from compiler.datafree.patches import patches
from compiler.surgery.refit import Fitted, joint_moments, refit, regress_narrow, regress_wide
from compiler.surgery.set_kernels import kernel_of, set_kernels
from compiler.types import DENSE, Choice, ConvSite, Inventory
from tests.frontend import networks
from tests.surgery.cases import normal_form, with_reconstructed_kernels


def three_convs() -> keras.Model:
    x = inputs = networks.image(shape=(8, 8, 4))
    for index in range(3):
        x = layers.Conv2D(6, 3, padding="same", activation="relu", name=f"conv{index}")(x)
    return keras.Model(inputs, layers.GlobalAveragePooling2D(name="pool")(x))


@pytest.fixture(scope="module")
def network() -> tuple[keras.Model, Inventory]:
    return normal_form(three_convs())


def images(count: int = 32) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, 8, 8, 4)).astype(np.float32)


def refitted(network: tuple[keras.Model, Inventory], choices: dict[str, Choice], inputs: np.ndarray) -> Fitted:
    model, inventory = network
    gamma = {site.name: np.eye(site.c_out, dtype=np.float32) for site in inventory.sites}
    all_choices = {site.name: choices.get(site.name, DENSE) for site in inventory.sites}
    return refit(model, [inputs], inventory, all_choices, gamma, seed=0)


def pre_activation(model: keras.Model, name: str, inputs: np.ndarray) -> np.ndarray:
    return np.asarray(keras.Model(model.input, model.get_layer(name).output)(inputs))


def test_where_nothing_is_lost_nothing_changes(network: tuple[keras.Model, Inventory]) -> None:
    model, inventory = network
    fitted = refitted(network, {}, images())
    assert list(fitted) == [site.name for site in inventory.sites]
    for name, (factors, bias) in fitted.items():
        kernel, own_bias = kernel_of(model, name)
        np.testing.assert_allclose(factors.reconstruct(), kernel, atol=2e-4)
        np.testing.assert_allclose(bias, own_bias, atol=2e-4)


def test_the_model_is_left_alone(network: tuple[keras.Model, Inventory]) -> None:
    model, _ = network
    before = [weights.copy() for weights in model.get_weights()]
    refitted(network, {"conv0": Choice("tucker2", (2, 2))}, images())
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_every_channel_keeps_its_mean(network: tuple[keras.Model, Inventory]) -> None:
    """On the inputs of the refit, whatever was lost, layer by layer."""
    model, inventory = network
    inputs = images()
    fitted = refitted(network, {site.name: Choice("tucker2", (2, 3)) for site in inventory.sites}, inputs)
    compressed = with_reconstructed_kernels(model, fitted)
    for site in inventory.sites:
        expected = pre_activation(model, site.name, inputs).mean(axis=(0, 1, 2))
        found = pre_activation(compressed, site.name, inputs).mean(axis=(0, 1, 2))
        np.testing.assert_allclose(found, expected, atol=1e-3)


def test_later_layers_undo_what_earlier_ones_lost(network: tuple[keras.Model, Inventory]) -> None:
    """Dense layers behind a compressed one are given kernels that bring their outputs back, also on new inputs."""
    model, _ = network
    inputs, fresh = images(128), np.random.default_rng(7).normal(size=(32, 8, 8, 4)).astype(np.float32)
    fitted = refitted(network, {"conv0": Choice("tucker2", (3, 3))}, inputs)
    only_first = with_reconstructed_kernels(model, {"conv0": fitted["conv0"]})
    all_three = with_reconstructed_kernels(model, fitted)
    expected = pre_activation(model, "conv2", fresh)
    lost = np.mean((pre_activation(only_first, "conv2", fresh) - expected) ** 2)
    left = np.mean((pre_activation(all_three, "conv2", fresh) - expected) ** 2)
    assert left < 0.8 * lost


def test_the_error_is_what_the_metric_says() -> None:
    """One layer, plain Γ: the refit's loss on its own patches is that of the best kernel in Σ."""
    inputs = networks.image(shape=(8, 8, 4))
    network = normal_form(keras.Model(inputs, layers.Conv2D(6, 3, name="conv0")(inputs)))
    x = images()
    choice = Choice("tucker2", (2, 3))
    factors, bias = refitted(network, {"conv0": choice}, x)["conv0"]
    site = network[1].sites[0]
    kernel, own_bias = kernel_of(network[0], "conv0")
    rows = patches(x, site)
    error = rows @ (factors.reconstruct() - kernel).reshape(-1, 6) + bias - own_bias
    naive = kernel.reshape(-1, 6)
    left, singular, right = np.linalg.svd(naive, full_matrices=False)
    truncated = rows @ ((left[:, :3] * singular[:3]) @ right[:3] - naive)
    assert np.abs(error.mean(axis=0)).max() < 1e-3
    assert np.mean(error**2) < 2.0 * np.mean((truncated - truncated.mean(axis=0)) ** 2)


@pytest.mark.parametrize("network", [networks.shared, networks.operations, networks.nested_shared])
def test_graphs_of_every_kind(network: Callable[[], keras.Model]) -> None:
    """A shared layer is fitted once; lists, splits and several inputs go through."""
    model, inventory = normal_form(network())
    inputs = [
        np.random.default_rng(i).normal(size=(8, *t.shape[1:])).astype(np.float32) for i, t in enumerate(model.inputs)
    ]
    calls = []
    fitted = refit(
        model,
        inputs,
        inventory,
        {site.name: DENSE for site in inventory.sites},
        {site.name: np.eye(site.c_out, dtype=np.float32) for site in inventory.sites},
        seed=0,
        advance=lambda: calls.append(1),
    )
    assert set(fitted) == {site.name for site in inventory.sites}
    assert len(calls) == len(inventory.sites)
    for name, (factors, _) in fitted.items():
        kernel = kernel_of(model, name)[0]
        np.testing.assert_allclose(factors.reconstruct(), kernel, atol=5e-3 * np.abs(kernel).max())


@pytest.mark.parametrize(("strides", "padding"), [((1, 1), "same"), ((2, 1), "valid")])
def test_joint_moments_are_those_of_the_patches(strides: tuple[int, int], padding: str) -> None:
    site = ConvSite("conv", "conv", (3, 2), 4, 5, strides=strides, padding=padding)
    x = images(4)
    x_prefix = x + 0.1 * np.random.default_rng(3).normal(size=x.shape).astype(np.float32)
    mean, mean_prefix, cross, covariance, _ = joint_moments(x, x_prefix, site, seed=0)
    a, b = patches(x, site).astype(np.float64), patches(x_prefix, site).astype(np.float64)
    joint = np.cov(np.hstack([a, b]), rowvar=False, bias=True)
    np.testing.assert_allclose(mean, a.mean(0), atol=1e-5)
    np.testing.assert_allclose(mean_prefix, b.mean(0), atol=1e-5)
    np.testing.assert_allclose(covariance, joint[24:, 24:], atol=1e-5)
    np.testing.assert_allclose(cross, joint[24:, :24], atol=1e-5)


def test_inputs_that_hardly_vary_about_a_large_mean() -> None:
    """In float32, E[aaᵀ] − μμᵀ would be rounding here, and indefinite."""
    site = ConvSite("conv", "conv", (1, 1), 4, 5)
    x = 300.0 + 1e-2 * images(16)
    _, _, cross, covariance, _ = joint_moments(x, x, site, seed=0)
    expected = np.cov(x.reshape(-1, 4).astype(np.float64), rowvar=False, bias=True)
    np.testing.assert_allclose(covariance, expected, atol=1e-3 * expected.max())
    np.testing.assert_allclose(cross, expected, atol=1e-3 * expected.max())


def test_a_layer_with_constant_inputs_gets_its_own_kernel(network: tuple[keras.Model, Inventory]) -> None:
    """Images of one colour: nothing to learn from, nothing to divide by."""
    model, _ = network
    fitted = refitted(network, {"conv1": Choice("tucker2", (2, 2))}, np.ones((4, 8, 8, 4), np.float32))
    assert all(np.all(np.isfinite(f.reconstruct())) and np.all(np.isfinite(b)) for f, b in fitted.values())
    kernel, bias = kernel_of(model, "conv0")
    reference = keras.models.clone_model(model)
    reference.set_weights(model.get_weights())
    set_kernels(reference, {"conv0": (fitted["conv0"][0].reconstruct(), fitted["conv0"][1])})
    x = np.ones((1, 8, 8, 4), np.float32)
    np.testing.assert_allclose(
        pre_activation(reference, "conv0", x), pre_activation(model, "conv0", x), atol=1e-2 * np.abs(kernel).sum()
    )
    assert bias.shape == fitted["conv0"][1].shape


def test_wide_patches_are_regressed_alike() -> None:
    """What never forms a d×d matrix finds the same kernel."""
    site = ConvSite("conv", "conv", (3, 2), 4, 5)
    x = images(4)
    x_prefix = x + 0.1 * np.random.default_rng(3).normal(size=x.shape).astype(np.float32)
    flat = np.random.default_rng(4).normal(size=(24, 5)).astype(np.float32)
    narrow, wide = (regress(flat, x, x_prefix, site, 0, 0.2) for regress in (regress_narrow, regress_wide))
    for ours, expected in zip(wide[:3], narrow[:3], strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-4)
    np.testing.assert_allclose(wide[3] @ flat, narrow[3] @ flat, atol=1e-4)
