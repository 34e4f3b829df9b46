from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

import compiler.frontend.fold_batchnorm as module
from compiler.errors import CheckFailed
from compiler.frontend.as_functional import as_functional
from compiler.frontend.check_equal import random_inputs
from compiler.frontend.fold_batchnorm import fold_batchnorm
from compiler.frontend.load import load
from tests.frontend.networks import NETWORKS, image, randomize, residual, values
from tests.frontend.networks import shared as shared_layers

_LINEAR = {
    "conv": lambda bias: layers.Conv2D(4, 3, strides=2, use_bias=bias, name="linear"),
    "grouped": lambda bias: layers.Conv2D(4, 3, groups=2, use_bias=bias, name="linear"),
    "depthwise": lambda bias: layers.DepthwiseConv2D(3, depth_multiplier=3, use_bias=bias, name="linear"),
    "transposed": lambda bias: layers.Conv2DTranspose(5, 3, use_bias=bias, name="linear"),
    "dense": lambda bias: layers.Dense(5, use_bias=bias, name="linear"),
}


def _batchnorms(model: keras.Model) -> list[str]:
    return [layer.name for layer in model.layers if isinstance(layer, layers.BatchNormalization)]


@settings(max_examples=12, deadline=None)
@given(kind=st.sampled_from(sorted(_LINEAR)), bias=st.booleans(), scale=st.booleans(), center=st.booleans())
def test_a_batchnorm_behind_a_linear_layer_goes_into_it(kind, bias, scale, center):
    inputs = image(shape=(7, 7, 4))
    x = layers.BatchNormalization(scale=scale, center=center, epsilon=0.1, name="bn")(_LINEAR[kind](bias)(inputs))
    model = randomize(keras.Model(inputs, x))
    folded = fold_batchnorm(model)
    assert [layer.name for layer in folded.layers] == ["image", "linear"]
    samples = random_inputs(model)
    expected = values(model, samples)[0]
    assert np.abs(values(folded, samples)[0] - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_folding_leaves_every_network_as_it_is(build):
    model = as_functional(randomize(build()))
    folded = fold_batchnorm(model)
    samples = random_inputs(model)
    for found, expected in zip(values(folded, samples), values(model, samples), strict=True):
        assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    assert [t.name for t in folded.inputs] == [t.name for t in model.inputs]
    keras.tree.assert_same_structure(folded.output, model.output)


def test_several_in_a_row_fold_one_after_the_other():
    inputs = image()
    x = layers.Conv2D(4, 3, name="conv")(inputs)
    for number in range(3):
        x = layers.BatchNormalization(name=f"bn{number}")(x)
    assert _batchnorms(fold_batchnorm(randomize(keras.Model(inputs, x)))) == []


def test_residual_network():
    folded = fold_batchnorm(randomize(residual()))
    assert _batchnorms(folded) == []
    assert folded.get_layer("conv1").use_bias


def _relu_between(x):
    return layers.BatchNormalization(name="bn")(layers.ReLU()(layers.Conv2D(4, 3)(x)))


def _behind_add(x):
    return layers.BatchNormalization(name="bn")(layers.Add()([layers.Conv2D(4, 3)(x), layers.Conv2D(4, 3)(x)]))


def _on_input(x):
    return layers.BatchNormalization(name="bn")(x)


def _read_twice(x):
    x = layers.Conv2D(4, 3)(x)
    return layers.Add()([x, layers.BatchNormalization(name="bn")(x)])


def _also_an_output(x):
    x = layers.Conv2D(4, 3)(x)
    return [x, layers.BatchNormalization(name="bn")(x)]


def _twice_by_one_add(x):
    x = layers.Conv2D(4, 3)(x)
    first, second = layers.BatchNormalization(name="bn")(x), layers.BatchNormalization(name="bn2")(x)
    return layers.Add()([first, second])


def _linear_called_twice(x):
    conv = layers.Conv2D(3, 3, padding="same")
    return layers.BatchNormalization(name="bn")(conv(conv(x)))


def _other_axis(x):
    return layers.BatchNormalization(axis=1, name="bn")(layers.Conv2D(6, 3)(x))


@pytest.mark.parametrize(
    "build",
    [
        _relu_between,
        _behind_add,
        _on_input,
        _read_twice,
        _also_an_output,
        _twice_by_one_add,
        _linear_called_twice,
        _other_axis,
    ],
)
def test_where_folding_is_not_exact_the_batchnorm_stays(build):
    inputs = image()
    model = randomize(keras.Model(inputs, build(inputs)))
    folded = fold_batchnorm(model)
    assert folded is model
    assert "bn" in _batchnorms(folded)


def test_a_shared_batchnorm_stays():
    assert _batchnorms(fold_batchnorm(as_functional(randomize(shared_layers())))) == ["bn"]


def test_the_source_is_not_touched():
    model = randomize(residual())
    before = [keras.ops.convert_to_numpy(weight).copy() for weight in model.weights]
    fold_batchnorm(model)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_a_wrong_fold_is_caught(monkeypatch):
    monkeypatch.setattr(module, "_scale_and_shift", lambda batchnorm: (np.ones(4), np.zeros(4)))
    with pytest.raises(CheckFailed, match="folding BatchNorm leaves the network as it is: output 0 deviates"):
        fold_batchnorm(randomize(residual()))


@pytest.mark.parametrize(("file", "left"), [("resnet8_cifar10.h5", 0), ("resnet32_cifar10.h5", 16)])
def test_real_networks(shared, file, left):
    """ResNet-32 has BatchNorm behind Add and in front of ReLU: these can't be folded."""
    assert len(_batchnorms(fold_batchnorm(as_functional(load(shared / "models" / file))))) == left
