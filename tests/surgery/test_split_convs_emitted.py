"""What a split network is made of: one bias a site, and kernel by kernel what the target priced."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from compiler.backend.targets import TARGETS
from compiler.backend.targets.graph import read_graph
from compiler.backend.targets.target import Target
from compiler.decompose.factors import Factors
from compiler.surgery.split_convs import split_convs
from compiler.types import Choice, ConvSite, Inventory
from tests.frontend import networks
from tests.surgery.cases import (
    bias_of,
    choices_of,
    fitted,
    normal_form,
    random_factors,
    with_reconstructed_kernels,
)
from tests.surgery.split_networks import CORTEX_M, ETHOS_U, MOBILE, assert_equal, convs_of

ANY_TARGET = pytest.mark.parametrize("target", [MOBILE, CORTEX_M, ETHOS_U], ids=lambda t: t.name)


@ANY_TARGET
@pytest.mark.parametrize("index", range(20))
def test_the_bias_survives_every_choice(index: int, target: Target, one_conv: tuple[keras.Model, Inventory]) -> None:
    """An input of zeros shows the bias alone, at the borders, too."""
    model, inventory = one_conv
    site = inventory.sites[0]
    choice = choices_of(site)[index]
    factors = {site.name: (random_factors(site, choice), bias_of(site))}
    split = split_convs(model, factors, {site.name: choice}, inventory, target)
    output = np.asarray(split(np.zeros((1, *model.input_shape[1:]), np.float32)))
    np.testing.assert_allclose(output, np.broadcast_to(bias_of(site), output.shape), rtol=1e-6)


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
            if role == "depthwise":
                kernel = (*kernel[:2], kernel[3], kernel[2])
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
