from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops

from compiler.frontend.as_functional import as_functional
from compiler.frontend.check_equal import random_inputs
from compiler.frontend.load import load
from compiler.frontend.logits import logits_model
from tests.frontend.networks import dict_inputs, image, randomize, sequential, values


def _dense(x, units, activation=None):
    return layers.Dense(units, activation=activation)(layers.Flatten()(x))


def _conv(x, activation=None):
    return layers.Conv2D(4, 8, activation=activation)(x)


_CLASSIFIERS = {
    "softmax": lambda x: _dense(x, 5, "softmax"),
    "log_softmax": lambda x: _dense(x, 5, "log_softmax"),
    "softmax_layer": lambda x: layers.Softmax()(_dense(x, 5)),
    "softmax_axis": lambda x: layers.Softmax(axis=1)(_dense(x, 5)),
    "softmax_op": lambda x: ops.softmax(_dense(x, 5)),
    "log_softmax_op": lambda x: ops.log_softmax(_dense(x, 5)),
    "linear": lambda x: _dense(x, 2),
    "one_by_one_map": lambda x: _conv(x, "softmax"),
    "reshaped_behind": lambda x: layers.Reshape((4,))(_conv(x, "softmax")),
    "reshaped_before": lambda x: layers.Softmax()(layers.Flatten()(_conv(x))),
    "pooled": lambda x: layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(x)),
    "linear_map": lambda x: layers.Reshape((4,))(_conv(x)),
}
_OTHERS = {
    "one_unit": lambda x: _dense(x, 1),
    "binary": lambda x: _dense(x, 1, "sigmoid"),
    "many_labels": lambda x: _dense(x, 5, "sigmoid"),
    "segmentation": lambda x: layers.Conv2D(4, 3, activation="softmax")(x),
    "map": lambda x: layers.Conv2D(4, 3)(x),
    "two_heads": lambda x: [_dense(x, 5, "softmax"), _dense(x, 5, "softmax")],
    "relu": lambda x: _dense(x, 5, "relu"),
    "no_layer": lambda x: layers.GlobalAveragePooling2D()(x),
}


def _model(build):
    inputs = image()
    return as_functional(randomize(keras.Model(inputs, build(inputs))))


@pytest.mark.parametrize("name", _CLASSIFIERS)
def test_classifiers(name):
    assert logits_model(_model(_CLASSIFIERS[name]))[1] is True


@pytest.mark.parametrize("name", _OTHERS)
def test_others(name):
    assert logits_model(_model(_OTHERS[name]))[1] is False


def _softmax(z):
    z = np.exp(z - z.max(-1, keepdims=True))
    return z / z.sum(-1, keepdims=True)


@pytest.mark.parametrize("name", ["softmax", "softmax_op", "one_by_one_map", "reshaped_behind", "segmentation"])
def test_the_softmax_of_the_logits_is_the_output(name):
    model = _model((_CLASSIFIERS | _OTHERS)[name])
    logits, _ = logits_model(model)
    inputs = random_inputs(model)
    (found,), (expected,) = values(logits, inputs), values(model, inputs)
    assert found.shape == expected.shape
    assert found.min() < 0
    np.testing.assert_allclose(_softmax(found), expected, rtol=1e-4, atol=1e-7)


def test_the_sigmoid_of_the_logits_is_the_output():
    model = _model(_OTHERS["many_labels"])
    inputs = random_inputs(model)
    (found,), (expected,) = values(logits_model(model)[0], inputs), values(model, inputs)
    np.testing.assert_allclose(1 / (1 + np.exp(-found)), expected, rtol=1e-4, atol=1e-7)


def test_outputs_keep_their_structure_and_those_without_softmax_their_values():
    model = as_functional(randomize(dict_inputs()))
    logits, _ = logits_model(model)
    assert list(logits.output) == ["plain", "soft"]
    plain, soft = values(logits, random_inputs(model))
    np.testing.assert_array_equal(plain, soft)


def test_a_softmax_over_another_dimension_is_not_a_final_softmax():
    inputs = image()
    model = keras.Model(inputs, layers.Softmax(axis=1)(inputs))
    (found,) = values(logits_model(model)[0], random_inputs(model))
    np.testing.assert_allclose(found.sum(1), 1.0, rtol=1e-5)


def test_it_is_a_view():
    model = as_functional(randomize(sequential()))
    logits, _ = logits_model(model)
    assert logits.output_shape == (None, 5)
    bias = model.get_layer("out").bias
    before = values(logits, random_inputs(model))[0]
    bias.assign(bias + 1.0)
    np.testing.assert_allclose(values(logits, random_inputs(model))[0], before + 1.0, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("file", "classes"),
    [("mobilenet_v1_025_imagenet.h5", 1000), ("ds_cnn_kws.h5", 12), ("resnet20_cifar10.keras", 10)],
)
def test_real_networks(shared, file, classes):
    logits, is_classifier = logits_model(as_functional(load(shared / "models" / file)))
    assert is_classifier
    assert logits.output_shape == (None, classes)
