"""Splitting is exact: the rewritten network equals the network with the reconstructed kernels, whatever the site."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import compiler.surgery.split_convs as split_convs_module
from compiler.backend.targets import TARGETS
from compiler.backend.targets.graph import read_graph
from compiler.backend.targets.target import Target
from compiler.decompose.factors import Factors
from compiler.errors import CheckFailed
from compiler.frontend.check_equal import random_inputs
from compiler.surgery.split_convs import split_convs
from compiler.types import Choice, ConvSite, Inventory
from tests.frontend import networks
from tests.surgery.cases import (
    Fitted,
    bias_of,
    choices_of,
    conv_of_every_geometry,
    dense_of_every_rank,
    fitted,
    normal_form,
    odd_kernels,
    random_factors,
    with_reconstructed_kernels,
)

MOBILE, CORTEX_M, ETHOS_U = TARGETS["mobile"], TARGETS["cortex_m"], TARGETS["ethos_u"]
ANY_TARGET = pytest.mark.parametrize("target", [MOBILE, CORTEX_M, ETHOS_U], ids=lambda t: t.name)


def assert_equal(reference: keras.Model, model: keras.Model, tolerance: float = 1e-5) -> None:
    inputs = random_inputs(reference)
    expected, found = networks.values(reference, inputs), networks.values(model, inputs)
    assert len(expected) == len(found)
    for index, (a, b) in enumerate(zip(expected, found, strict=True)):
        assert a.shape == b.shape
        assert np.max(np.abs(a - b)) <= tolerance * np.max(np.abs(a)), f"output {index}"


def nth(index: int) -> Callable[[ConvSite], Choice]:
    """Of every site its choice number `index`, round and round."""
    return lambda site: choices_of(site)[index % len(choices_of(site))]


def convs_of(model: keras.Model) -> list[keras.Layer]:
    return [layer for layer in model.layers if isinstance(layer, (layers.Conv2D, layers.Dense))]


@pytest.fixture(scope="module")
def geometries() -> tuple[keras.Model, Inventory]:
    return normal_form(conv_of_every_geometry())


@pytest.mark.parametrize("turn", range(5))
def test_exact_over_stride_padding_dilation_bias_and_activation(
    geometries: tuple[keras.Model, Inventory], turn: int
) -> None:
    """In five turns each of the four sites of one geometry gets five choices: all nineteen of them."""
    model, inventory = geometries
    assert len(choices_of(inventory.sites[0])) == 19
    order = {site.name: 5 * index + turn for index, site in enumerate(inventory.sites)}
    factors, choices = fitted(inventory, lambda site: choices_of(site)[order[site.name] % 20 % 19])
    target = (MOBILE, CORTEX_M, ETHOS_U)[turn % 3]
    assert_equal(with_reconstructed_kernels(model, factors), split_convs(model, factors, choices, inventory, target))


@pytest.mark.parametrize("index", range(19))
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
    }
    factors, choices = fitted(Inventory(inventory.sites[:3]), lambda site: some[site.name])
    split = split_convs(model, factors, choices, inventory, CORTEX_M)
    suffixes = {
        "conv0": ("first", "vertical", "horizontal", "last", "gather", "sparse", "add", "activation"),
        "conv1": ("first", "core", "last", "activation"),
        "conv2": ("sparse", "scatter", "activation"),
    }
    expected = {f"{name}_{suffix}" for name in suffixes for suffix in suffixes[name]}
    assert {operation.name for operation in split.operations} == {*expected, "image", "conv3", "conv3_activation"}


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


# --- the bias -------------------------------------------------------------------------------------------------------


@ANY_TARGET
@pytest.mark.parametrize("index", range(19))
def test_the_bias_survives_every_choice(index: int, target: Target, one_conv: tuple[keras.Model, Inventory]) -> None:
    """An input of zeros shows the bias alone, at the borders, too; also where the site had none."""
    model, inventory = one_conv
    site = inventory.sites[0]
    choice = choices_of(site)[index]
    for use_bias in (True, False):
        listed = Inventory((replace(site, use_bias=use_bias),))
        factors = {site.name: (random_factors(site, choice), bias_of(site))}
        split = split_convs(model, factors, {site.name: choice}, listed, target)
        output = np.asarray(split(np.zeros((1, *model.input_shape[1:]), np.float32)))
        np.testing.assert_allclose(output, np.broadcast_to(bias_of(site), output.shape), rtol=1e-6)


@pytest.fixture(scope="module")
def one_conv() -> tuple[keras.Model, Inventory]:
    inputs = networks.image(shape=(6, 5, 4))
    return normal_form(keras.Model(inputs, layers.Conv2D(6, 3, padding="same", name="conv")(inputs)))


def test_only_the_last_factor_has_a_bias(one_conv: tuple[keras.Model, Inventory]) -> None:
    model, inventory = one_conv
    for choice in choices_of(inventory.sites[0]):
        split = split_convs(model, *fitted(inventory, lambda site, c=choice: c), inventory, CORTEX_M)
        assert [layer.name for layer in convs_of(split) if layer.use_bias] == [bearer(choice, split)]


def bearer(choice: Choice, split: keras.Model) -> str:
    """The layer that the bias belongs on."""
    names = [layer.name for layer in convs_of(split)]
    if choice.is_dense:
        return "conv"
    if choice.chain == "none":
        return "conv_scatter" if "conv_scatter" in names else "conv_sparse"
    return [name for name in names if name.split("_")[1] in ("core", "horizontal", "last")][-1]


# --- what was priced is what is emitted --------------------------------------------------------------------------


SITES = (
    ConvSite("site", "conv", (3, 3), 8, 16, padding="same", positions=64),
    ConvSite("site", "conv", (3, 1), 8, 8, strides=(2, 1), positions=64),
    ConvSite("site", "conv", (1, 1), 8, 8, positions=64),
    ConvSite("site", "dense", (1, 1), 16, 16),
)


@pytest.mark.parametrize("target", list(TARGETS.values()), ids=list(TARGETS))
@pytest.mark.parametrize("site", SITES, ids=lambda s: f"{s.kind}{s.kernel_size[0]}x{s.kernel_size[1]}")
def test_emits_what_the_target_prices(site: ConvSite, target: Target) -> None:
    """Kernel by kernel and bias by bias; of a block's channels at most those priced."""
    inputs = keras.Input((9, 9, site.c_in) if site.kind == "conv" else (site.c_in,))
    layer = (
        layers.Conv2D(site.c_out, site.kernel_size, strides=site.strides, padding=site.padding, name="site")
        if site.kind == "conv"
        else layers.Dense(site.c_out, name="site")
    )
    model = keras.Model(inputs, layer(inputs))
    inventory = Inventory((site,))
    tried = 0
    for choice in choices_of(site):
        if target.refusal(site, choice) is not None:
            continue
        tried += 1
        split = split_convs(model, *fitted(inventory, lambda site, c=choice: c), inventory, target)
        convs, selections = target.emitted(site, choice)
        built = {layer.name.removeprefix("site_").replace("site", "dense"): layer for layer in convs_of(split)}
        priced = {"dense" if choice.is_dense else e.role: e for e in convs}
        if choice.chain == "dense" and choice.structure is not None:
            priced["core"] = priced.pop("dense")
        assert set(built) == set(priced)
        for role, emitted in priced.items():
            kernel = tuple(int(n) for n in built[role].kernel.shape)
            kernel = (1, 1, *kernel) if site.kind == "dense" else kernel
            if choice.structure == "block" and role not in ("first", "core", "last", "vertical", "horizontal"):
                assert all(n <= most for n, most in zip(kernel, emitted.kernel, strict=True)), (choice, role)
            else:
                assert kernel == emitted.kernel, (choice, role)
            assert built[role].use_bias == (emitted.bias == "own"), (choice, role)
        taken = [o.name.removeprefix("site_") for o in split.operations if not isinstance(o, keras.Layer)]
        assert sorted(taken) == sorted(
            role for s in selections for role in (("gather",) if s.role == "gather" else ("pad", "scatter"))
        )
    assert tried >= 5


@ANY_TARGET
def test_zeros_are_where_they_were_priced(target: Target) -> None:
    """A branch that is stored whole has as many groups of weights as its choice keeps."""
    site = SITES[0]
    inventory = Inventory((site,))
    inputs = keras.Input((9, 9, site.c_in))
    model = keras.Model(inputs, layers.Conv2D(site.c_out, 3, padding="same", name="site")(inputs))
    for structure, block, group in (("unstructured", None, 1), ("block", (4, 4), 16)):
        choice = Choice("none", (), structure, block, 5)
        if target.refusal(site, choice) is not None or not target.stores_whole(structure):
            continue
        split = split_convs(model, *fitted(inventory, lambda site, c=choice: c), inventory, target)
        kernel = np.asarray(split.get_layer("site_sparse").kernel)
        assert kernel.shape == site.kernel_shape
        assert np.count_nonzero(kernel) == 5 * group


def test_converts_to_plain_int8_operators() -> None:
    """Gathers and scatters stay what they are in the file: no comparison or selection of indices at run time."""
    from compiler.backend.quantize import quantize

    inputs = networks.image(shape=(8, 8, 8))
    model, inventory = normal_form(keras.Model(inputs, layers.Conv2D(8, 3, name="conv")(inputs)))
    choice = Choice("tucker2", (4, 4), "block", (4, 4), 1)
    split = split_convs(model, *fitted(inventory, lambda site: choice), inventory, CORTEX_M)
    tflite = quantize(split, np.random.default_rng(0).normal(size=(4, 8, 8, 8)).astype(np.float32))
    codes = sorted(operator.code for operator in read_graph(tflite).operators)
    assert codes == ["ADD", "CONV_2D", "CONV_2D", "CONV_2D", "CONV_2D", "GATHER", "GATHER", "PAD"]


# --- the claim is checked ------------------------------------------------------------------------------------------


def broken(factors: Fitted, inventory: Inventory, model: keras.Model, choice: Choice) -> str:
    with pytest.raises(CheckFailed) as caught:
        split_convs(model, factors, {"conv": choice}, inventory, CORTEX_M)
    return str(caught.value)


def test_a_lost_bias_is_caught(one_conv: tuple[keras.Model, Inventory], monkeypatch: pytest.MonkeyPatch) -> None:
    model, inventory = one_conv
    choice = Choice("tucker2", (2, 3))
    factors, _ = fitted(inventory, lambda site: choice)
    whole = split_convs_module.chain
    monkeypatch.setattr(split_convs_module, "chain", lambda site, f, bias, name: whole(site, f, 0 * bias, name))
    assert "layer 'conv', split, equals" in broken(factors, inventory, model, choice)


def test_a_lost_padding_is_caught(one_conv: tuple[keras.Model, Inventory], monkeypatch: pytest.MonkeyPatch) -> None:
    model, inventory = one_conv
    choice = Choice("tucker2", (2, 3))
    factors, _ = fitted(inventory, lambda site: choice)
    monkeypatch.setattr(split_convs_module, "geometry", lambda *a, **k: {})
    assert "has shape" in broken(factors, inventory, model, choice)


def test_not_a_number_is_caught(one_conv: tuple[keras.Model, Inventory]) -> None:
    model, inventory = one_conv
    choice = Choice("tucker2", (2, 3))
    factors, _ = fitted(inventory, lambda site: choice)
    factors["conv"][0].chain[1][1][0, 0, 0, 0] = np.nan
    assert "layer 'conv'" in broken(factors, inventory, model, choice)


def test_more_channels_than_priced_are_caught(one_conv: tuple[keras.Model, Inventory]) -> None:
    model, inventory = one_conv
    choice = Choice("none", (), "filter", None, 2)
    factors = {"conv": (Factors((), np.ones((3, 3, 4, 6), np.float32)), bias_of(inventory.sites[0]))}
    assert "reaches 6 output channels" in broken(factors, inventory, model, choice)


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


def test_all_zero_groups_are_filled_up(one_conv: tuple[keras.Model, Inventory]) -> None:
    """A filter that was kept but came out as zeros still has its place: sizes stay those that were priced."""
    model, inventory = one_conv
    for structure in ("filter", "channel", "block"):
        choice = Choice("none", (), structure, (2, 2), 2)
        factors = {"conv": (Factors((), np.zeros((3, 3, 4, 6), np.float32)), bias_of(inventory.sites[0]))}
        split = split_convs(model, factors, {"conv": choice}, inventory, CORTEX_M)
        assert_equal(with_reconstructed_kernels(model, factors), split)
        kernel = split.get_layer("conv_sparse").kernel.shape
        assert {"filter": kernel[3] == 2, "channel": kernel[2] == 2, "block": min(kernel[2:]) == 1}[structure]
