from __future__ import annotations

import keras
from keras import layers

from compiler.frontend.flat_names import flat_names, unused


def test_names_that_clash_carry_their_models_and_then_a_number():
    def inner(name):
        return keras.Sequential(
            [keras.Input((4,)), layers.Dense(4, name="dense"), layers.ReLU(name=f"relu_{name}")], name=name
        )

    inputs = keras.Input((4,), name="dense_in")
    x = inner("a")(inputs)
    x = keras.Sequential([keras.Input((4,)), inner("b"), layers.Dense(4, name="b_dense")], name="outer")(x)
    x = layers.Dense(4, name="dense")(x)
    x = layers.Dense(4, name="outer_b_dense")(x)
    names = flat_names(keras.Model(inputs, x)).values()
    assert sorted(names) == sorted(
        ["dense", "outer_b_dense", "a_dense", "relu_a", "b_dense", "outer_b_dense_1", "relu_b"]
    )


def test_an_input_keeps_its_name():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="image")], name="inner")
    inputs = keras.Input((4,), name="image")
    assert list(flat_names(keras.Model(inputs, inner(inputs))).values()) == ["inner_image"]


def test_unused_numbers_and_takes():
    taken = {"x", "x_1"}
    assert unused("x", taken) == "x_2"
    assert unused("y", taken) == "y"
    assert {"x_2", "y"} <= taken
