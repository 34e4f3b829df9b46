from __future__ import annotations

import inspect

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

import compiler.frontend.as_functional as module
from compiler.errors import BadInput, CheckFailed, UnsupportedModel
from compiler.frontend.as_functional import as_functional
from compiler.frontend.check_equal import random_inputs
from compiler.frontend.graph import calls, graph_of
from compiler.frontend.load import load
from tests.frontend.networks import NETWORKS, assorted, image, nested, randomize, sequential, values
from tests.frontend.networks import shared as shared_layers

_LINEAR = (layers.Conv2D, layers.Dense, layers.DepthwiseConv2D, layers.Conv2DTranspose)


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_the_normal_form_is_flat_linear_and_equal(build):
    model = randomize(build())
    normal = as_functional(model)
    inputs = random_inputs(model)
    for found, expected in zip(values(normal, inputs), values(model, inputs), strict=True):
        assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    for operation in normal.operations:
        assert not isinstance(operation, (keras.Model, layers.Dropout, layers.GaussianNoise, layers.SeparableConv2D))
        if isinstance(operation, _LINEAR):
            assert operation.activation is keras.activations.linear
            assert operation.kernel.shape  # built
        if isinstance(operation, keras.Layer):
            assert operation.compute_dtype in ("float32", "uint8")
            assert getattr(operation, "kernel_regularizer", None) is None
            assert getattr(operation, "kernel_constraint", None) is None
    assert [t.name for t in normal.inputs] == [t.name for t in graph_of(model).inputs]
    assert not {id(v) for v in normal.variables} & {id(v) for v in model.variables}


def _names(model: keras.Model) -> list[str]:
    return [operation.name for operation in model.operations]


def test_names_of_the_normal_form():
    assert _names(as_functional(sequential())) == [
        "image", "conv", "conv_activation", "bn", "flat", "out", "out_activation",
    ]  # fmt: skip
    assert _names(as_functional(nested())) == [
        "image", "first_conv", "second_conv", "second_conv_activation", "bn", "pool", "out", "out_activation",
    ]  # fmt: skip


def test_activation_layers_stay_and_linear_ones_go():
    inputs = image()
    x = layers.Activation("relu", name="relu")(layers.Activation("linear", name="no_op")(inputs))
    assert _names(as_functional(keras.Model(inputs, x))) == ["image", "relu"]


def test_shared_layers_stay_shared():
    called = [call.name for call in calls(as_functional(shared_layers()))]
    assert called == ["conv", "conv_activation", "bn", "conv", "conv_activation", "bn", "flat"]


def test_a_part_of_a_layer_takes_no_name_that_is_in_use():
    x = layers.Dense(4, activation="relu", name="dense")(keras.Input((4,), name="in"))
    model = keras.Model(x._keras_history.operation.input, layers.Dense(4, name="dense_activation")(x))
    assert _names(as_functional(model)) == ["in", "dense", "dense_activation_1", "dense_activation"]


def test_a_normal_form_is_its_own_normal_form():
    normal = as_functional(randomize(assorted()))
    assert _names(as_functional(normal)) == _names(normal)


@settings(max_examples=8, deadline=None)
@given(
    strides=st.sampled_from([1, 2]),
    padding=st.sampled_from(["valid", "same"]),
    multiplier=st.integers(1, 3),
    bias=st.booleans(),
    activation=st.sampled_from([None, "relu", "softmax"]),
)
def test_a_separable_convolution_is_its_two_halves(strides, padding, multiplier, bias, activation):
    inputs = image()
    x = layers.SeparableConv2D(
        4, 3, strides, padding, depth_multiplier=multiplier, use_bias=bias, activation=activation, name="sep"
    )(inputs)
    normal = as_functional(randomize(keras.Model(inputs, x)))
    parts = ["sep_depthwise", "sep_pointwise"] + ["sep_activation"] * (activation is not None)
    assert _names(normal)[1:] == parts
    assert normal.get_layer("sep_pointwise").use_bias is bias


def test_half_precision_becomes_float32():
    inputs = keras.Input((8, 8, 3), dtype="float16")
    x = layers.Conv2D(4, 3, dtype="mixed_float16")(inputs)
    normal = as_functional(randomize(keras.Model(inputs, layers.Dense(2, dtype="bfloat16")(x))))
    assert {layer.dtype_policy.name for layer in normal.layers} == {"float32"}
    assert normal.inputs[0].dtype == "float32"


def test_a_fixed_batch_is_opened():
    inputs = keras.Input((8, 8, 3), batch_size=1)
    normal = as_functional(keras.Model(inputs, layers.Conv2D(4, 3)(inputs)))
    assert normal.inputs[0].shape == (None, 8, 8, 3)


def test_training_only_layers_do_nothing_even_when_called_for_training():
    inputs = image()
    x = layers.Dropout(0.9)(inputs, training=True)
    x = layers.BatchNormalization(name="bn")(x, training=True)
    normal = as_functional(randomize(keras.Model(inputs, x)))
    assert _names(normal) == ["image", "bn"]
    samples = random_inputs(normal)[0]
    np.testing.assert_array_equal(normal(samples), normal(samples, training=False))


def test_what_is_removed_does_nothing_at_inference():
    removed = [kind for kind, form in module.LAYERS.items() if form is module._Normalizer.nothing]
    assert len(removed) > 25
    pixels = image(dtype="uint8")
    images = random_inputs(keras.Model(pixels, pixels))[0].astype(np.float32)
    for kind in removed:
        if kind in (layers.SpatialDropout1D, layers.SpatialDropout3D):
            continue  # of other ranks
        required = [p for p in inspect.signature(kind).parameters.values() if p.default is p.empty]
        strength = 4 if kind is layers.RandomPosterization else 0.3
        layer = kind(**{p.name: strength for p in required if p.kind is p.POSITIONAL_OR_KEYWORD})
        np.testing.assert_array_equal(layer(images, training=False), images, err_msg=kind.__name__)


def test_refusals():
    inputs = image()
    pool = layers.AveragePooling2D(2, data_format="channels_first", name="pool")
    with pytest.raises(UnsupportedModel, match=r"layer 'pool' is channels_first.*data_format='channels_last'"):
        as_functional(keras.Model(inputs, pool(inputs)))
    with pytest.raises(UnsupportedModel, match=r"layer 'crop' is a RandomCrop; crop outside"):
        as_functional(keras.Model(inputs, layers.RandomCrop(4, 4, name="crop")(inputs)))
    with pytest.raises(UnsupportedModel, match=r"layer 'f' is a Lambda; replace it"):
        as_functional(keras.Model(inputs, layers.Lambda(lambda x: x, name="f")(inputs)))
    open_input = keras.Input((None, None, 3), name="photo")
    with pytest.raises(BadInput, match=r"input 'photo' has open dimensions .* fix them with --input_shape"):
        as_functional(keras.Model(open_input, layers.Conv2D(2, 3)(open_input)))
    quantized = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="dense")])
    quantized.get_layer("dense").quantize("int8")
    with pytest.raises(UnsupportedModel, match=r"layer 'dense' is already quantized; give the network as it was"):
        as_functional(quantized)


def test_a_wrong_normal_form_is_caught(monkeypatch):
    monkeypatch.setitem(module.LAYERS, layers.ReLU, module._Normalizer.nothing)
    inputs = image()
    with pytest.raises(CheckFailed, match="the network's normal form equals the network: output 0 deviates"):
        as_functional(keras.Model(inputs, layers.ReLU()(inputs)))


@pytest.mark.parametrize("file", ["ds_cnn_kws.h5", "resnet20_cifar10.keras", "vgg8_cifar10_jpeg.keras"])
def test_real_networks(shared, file):
    as_functional(load(shared / "models" / file))


@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_recurrent_layers_are_refused(kind):
    inputs = keras.Input((6, 3))
    with pytest.raises(UnsupportedModel, match=rf"layer 'memory' \({kind.__name__}\) is recurrent"):
        as_functional(keras.Model(inputs, kind(4, name="memory")(inputs)))
