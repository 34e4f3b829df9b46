"""What a fine-tuning hook may do, and what it can't: pruned weights stay zero, selections select what they did."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from compiler.errors import BadInput
from compiler.surgery.finetune import finetune, selects


def network() -> keras.Model:
    """A convolution with pruned weights, a selection of two of its four channels, a Dense."""
    x = inputs = keras.Input((4, 4, 2), name="image")
    x = layers.Conv2D(4, 3, name="sparse")(x)
    x = layers.Conv2D(2, 1, use_bias=False, name="gather")(x)
    x = layers.Dense(3, name="logits")(layers.GlobalAveragePooling2D(name="pool")(x))
    model = keras.Model(inputs, x)
    random = np.random.default_rng(0)
    kernel = random.normal(size=(3, 3, 2, 4))
    kernel[:, :, 0] = 0  # of channels that are selected too, so that training would move them
    model.get_layer("sparse").set_weights([kernel, np.zeros(4)])
    model.get_layer("gather").set_weights([np.eye(4)[None, None, :, [1, 3]]])
    return model


def trained(model: keras.Model) -> None:
    """A few steps of Keras' own training."""
    random = np.random.default_rng(1)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(random.normal(size=(8, 4, 4, 2)), random.normal(size=(8, 3)), epochs=2, verbose=0)


def test_zeros_stay_zero_and_the_rest_is_trained() -> None:
    model = network()
    before = {w.path: w.numpy() for w in model.weights}
    while_training: list[np.ndarray] = []

    def hook(model: keras.Model) -> None:
        trained(model)
        while_training.append(model.get_layer("sparse").kernel.numpy())

    assert finetune(model, hook) is model
    after = {w.path: w.numpy() for w in model.weights}
    zeros = before["sparse/kernel"] == 0
    assert not while_training[0][zeros].any()  # the constraint, before anything is put back
    assert not after["sparse/kernel"][zeros].any()
    assert np.any(after["sparse/kernel"][~zeros] != before["sparse/kernel"][~zeros])
    np.testing.assert_array_equal(after["gather/kernel"], before["gather/kernel"])
    assert np.any(after["logits/kernel"] != before["logits/kernel"])


def test_what_other_means_overwrote_is_put_back() -> None:
    def hook(model: keras.Model) -> keras.Model:
        copy = keras.models.clone_model(model)
        copy.set_weights([w + 1.0 for w in model.get_weights()])
        return copy

    model = network()
    tuned = finetune(model, hook)
    assert tuned is not model
    assert not tuned.get_layer("sparse").kernel.numpy()[:, :, 0].any()
    np.testing.assert_array_equal(tuned.get_layer("gather").kernel, model.get_layer("gather").kernel)
    np.testing.assert_allclose(tuned.get_layer("logits").bias, model.get_layer("logits").bias + 1.0)


def lame(model: keras.Model) -> None:
    model.get_layer("logits").bias.assign([0.0, np.nan, 0.0])


@pytest.mark.parametrize(
    ("hook", "sentence"),
    [
        (lambda m: "done", "returned str; return a Keras model"),
        (lambda m: keras.Model(m.input, m.get_layer("pool").output), r"outputs \[\(None, 2\)\] where .*\(None, 3\)"),
        (
            lambda m: keras.Sequential([keras.Input((4, 4, 2)), layers.Flatten(), layers.Dense(3)]),
            "lacks layer 'sparse'",
        ),
        (lame, "left logits/bias with NaN"),
    ],
    ids=["no model", "other outputs", "other layers", "not finite"],
)
def test_what_can_not_take_its_place_is_refused(hook: Any, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        finetune(network(), hook)


def test_a_selection_is_told_from_weights() -> None:
    assert selects(np.eye(4)[None, None, :, [1, 3]])
    assert selects(np.eye(3)[None, None, [0, 2]])
    assert not selects(np.ones((1, 1, 1, 1)))
    assert not selects(np.eye(3)[None, None] * 0.5)
    assert not selects(np.tri(3)[None, None])
