from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from compiler.errors import CheckFailed
from compiler.frontend.check_equal import check_equal, random_inputs
from compiler.frontend.rebuild import rebuild
from tests.frontend.networks import dict_inputs, image, randomize, residual


@pytest.mark.parametrize("build", [residual, dict_inputs])
def test_a_small_change_is_seen_and_a_tiny_one_allowed(build):
    model = randomize(build())
    changed = rebuild(model, {})
    weight = changed.weights[-1]
    check_equal(model, changed, claim="same")
    weight.assign(weight * (1 + 1e-7))
    check_equal(model, changed, claim="same")
    weight.assign(weight * 1.01 + 0.01)
    with pytest.raises(CheckFailed, match=r"^same: output 0 deviates by"):
        check_equal(model, changed, claim="same")
    check_equal(model, changed, claim="same", tolerance=0.5)


def test_nan_is_a_deviation():
    model = randomize(residual())
    changed = rebuild(model, {})
    changed.weights[-1].assign(changed.weights[-1] * np.nan)
    with pytest.raises(CheckFailed, match="deviates by nan"):
        check_equal(model, changed, claim="same")


def test_another_shape_is_a_deviation():
    x = image()
    with pytest.raises(CheckFailed, match="output 0 has shape \\(2, 192\\) instead of \\(2, 8, 8, 3\\)"):
        check_equal(keras.Model(x, layers.ReLU()(x)), keras.Model(x, layers.Flatten()(x)), claim="same")


def test_inputs_follow_the_dtype():
    inputs = [image("a"), image("b", dtype="uint8"), image("c", dtype="int32", batch_size=5)]
    floats, bytes_, integers = random_inputs(keras.Model(inputs, inputs))
    assert floats.dtype == np.float32
    assert floats.min() < 0
    assert bytes_.max() > 200
    assert set(integers.ravel()) == {0, 1}
    assert (floats.shape[0], integers.shape[0]) == (2, 5)
