from __future__ import annotations

import keras
import pytest
from keras import layers

from compiler.errors import BadInput
from compiler.frontend.as_functional import as_functional
from compiler.frontend.fold_batchnorm import fold_batchnorm
from compiler.frontend.inventory import inventory
from compiler.frontend.load import load
from compiler.types import ConvSite
from tests.frontend.networks import assorted, image
from tests.frontend.networks import shared as shared_layers


def test_every_field_of_a_convolution():
    inputs = image(shape=(12, 10, 3))
    x = layers.Conv2D(6, (5, 3), strides=(2, 1), padding="same", use_bias=False, name="conv")(inputs)
    x = layers.Conv2D(4, 3, dilation_rate=2, name="atrous")(x)
    assert inventory(keras.Model(inputs, x)).sites == (
        ConvSite("conv", "conv", (5, 3), 3, 6, (2, 1), (1, 1), "same", 1, 60, ((12, 10, 6, 10),)),
        ConvSite("atrous", "conv", (3, 3), 6, 4, (1, 1), (2, 2), "valid", 1, 12, ((6, 10, 2, 6),)),
    )


def test_a_dense_layer_counts_the_positions_it_is_applied_to():
    inputs = image(shape=(4, 5, 3))
    x = layers.Dense(7, use_bias=False, name="map")(inputs)
    x = layers.Dense(2, name="out")(layers.Flatten()(x))
    per_pixel, out = inventory(keras.Model(inputs, x)).sites
    assert per_pixel == ConvSite("map", "dense", (1, 1), 3, 7, positions=20, maps=((1, 20, 1, 20),))
    assert out == ConvSite("out", "dense", (1, 1), 140, 2, positions=1, maps=((1, 1, 1, 1),))
    assert (per_pixel.macs, out.macs) == (20 * 21, 280)


def test_a_shared_layer_is_one_site_with_the_positions_of_all_calls():
    conv = layers.Conv2D(3, 3, name="conv")
    inputs = image()
    x = conv(conv(inputs))
    (site,) = inventory(keras.Model(inputs, x)).sites
    assert (site.calls, site.positions, site.maps) == (2, 36 + 16, ((8, 8, 6, 6), (6, 6, 4, 4)))
    assert [layer.name for layer in inventory(as_functional(shared_layers())).left] == ["bn"]


def test_what_is_left_alone_and_why():
    found = inventory(fold_batchnorm(as_functional(assorted())))
    assert [site.name for site in found.sites] == ["conv", "per_pixel"]
    assert {(layer.name, layer.layer_type, layer.params) for layer in found.left} == {
        ("norm", "Normalization", 7),
        ("conv_activation", "PReLU", 144),
        ("grouped", "Conv2D", 76),
        ("up", "Conv2DTranspose", 148),
        ("layer_norm", "LayerNormalization", 8),
    }
    reasons = {layer.name: layer.reason for layer in found.left}
    assert reasons["grouped"] == "a grouped convolution (groups=2) is not decomposed"
    assert reasons["up"] == "transposed convolutions are not decomposed"
    assert reasons["norm"] == "a Normalization is neither a Conv2D nor a Dense"


@pytest.mark.parametrize(
    ("layer", "shape", "reason"),
    [
        (layers.DepthwiseConv2D(3), (8, 8, 3), "a depthwise convolution has one filter per channel"),
        (layers.Conv1D(3, 3), (8, 3), "not convolutions in 1 dimension"),
        (layers.Conv3D(3, 3), (8, 8, 8, 3), "not convolutions in 3 dimensions"),
        (layers.LSTM(3), (8, 3), "a LSTM is neither a Conv2D nor a Dense"),
        (layers.BatchNormalization(), (8, 8, 3), "a BatchNorm without a linear layer"),
    ],
)
def test_reasons(layer, shape, reason):
    inputs = keras.Input(shape)
    (left,) = inventory(keras.Model(inputs, layer(inputs))).left
    assert reason in left.reason


def test_exclude():
    inputs = image()
    x = layers.Conv2D(4, 3, name="stem")(inputs)
    x = layers.Conv2D(4, 1, name="block_stem_1")(x)
    model = keras.Model(inputs, layers.Dense(2, name="head_out")(x))
    found = inventory(model, exclude="^stem$|head")
    assert [site.name for site in found.sites] == ["block_stem_1"]
    assert [(layer.name, layer.reason) for layer in found.left] == [
        ("stem", "--exclude ^stem$|head names it"),
        ("head_out", "--exclude ^stem$|head names it"),
    ]
    with pytest.raises(BadInput, match=r"--exclude '\(' is no regular expression \(.*\); as in"):
        inventory(model, exclude="(")
    with pytest.raises(BadInput, match=r"--exclude stme finds no layer with weights \(stem, "):
        inventory(model, exclude="stme")


def test_sites_are_in_graph_order(shared):
    model = fold_batchnorm(as_functional(load(shared / "models" / "resnet20_cifar10.keras")))
    found = inventory(model)
    assert [site.name for site in found.sites[:3]] == ["conv1", "layer1_0_conv1", "layer1_0_conv2"]
    assert found.sites[-1] == ConvSite("linear", "dense", (1, 1), 64, 10, maps=((1, 1, 1, 1),))
    assert found.left == ()
    assert sum(site.weights for site in found.sites) == 268_336
    assert sum(site.macs for site in found.sites) == 40_551_040  # 40.5 M, the usual count of ResNet-20
