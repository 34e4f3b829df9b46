from __future__ import annotations

import keras
import pytest

from compiler.frontend.read_network import read_network


@pytest.mark.parametrize(("activation", "ends"), [("softmax", True), (None, False)])
def test_a_final_softmax_is_known(activation: str | None, ends: bool) -> None:
    layers = [keras.Input((4,)), keras.layers.Dense(6, activation="relu"), keras.layers.Dense(2, activation=activation)]
    network = read_network(keras.Sequential(layers), model_name=None, input_shape=None, exclude=None)
    assert network.classifier
    assert network.ends_in_probabilities is ends
