"""The graph walked by hand gives what the model gives, and holds no more than it must."""

from __future__ import annotations

import weakref
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from compiler.datafree.walk import apply, walk
from compiler.frontend.as_functional import as_functional
from tests.frontend.networks import randomize


def branching() -> keras.Model:
    a, b = keras.Input((6, 6, 2), name="a"), keras.Input((6, 6, 2), name="b")
    shared = layers.Conv2D(3, 3, padding="same", name="shared")
    left, right = shared(a), shared(b)
    joined = layers.Concatenate(name="join")([left, ops.relu(right)])
    pooled = layers.GlobalAveragePooling2D(name="pool")(layers.Add(name="add")([joined, joined]))
    return keras.Model([a, b], [layers.Dense(4, name="first")(pooled), right])


@pytest.fixture(scope="module")
def network() -> tuple[keras.Model, list[Any]]:
    random = np.random.default_rng(0)
    inputs = [ops.convert_to_tensor(random.normal(size=(3, 6, 6, 2)).astype(np.float32)) for _ in "ab"]
    return as_functional(randomize(branching())), inputs


def test_ends_where_the_model_ends(network: tuple[keras.Model, list[Any]]) -> None:
    model, inputs = network
    for got, expected in zip(walk(model, inputs, apply), model(inputs), strict=True):
        np.testing.assert_allclose(np.asarray(got), np.asarray(expected), atol=1e-6)


def test_visits_every_call_once_in_order(network: tuple[keras.Model, list[Any]]) -> None:
    model, inputs = network
    seen: list[str] = []

    def visit(call: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        seen.append(call.name)
        return apply(call, args, kwargs)

    walk(model, inputs, visit)
    assert seen.count("shared") == 2
    assert seen.index("join") < seen.index("add") < seen.index("pool") < seen.index("first")


def test_a_visitor_may_answer_for_a_call(network: tuple[keras.Model, list[Any]]) -> None:
    model, inputs = network

    def zeros(call: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        output = apply(call, args, kwargs)
        return ops.zeros_like(output) if call.name == "pool" else output

    bias = model.get_layer("first").get_weights()[1]
    np.testing.assert_allclose(np.asarray(walk(model, inputs, zeros)[0]), np.tile(bias, (3, 1)), atol=1e-6)


class Value:
    """A number that can be watched."""

    def __init__(self, number: int) -> None:
        self.number = number


def test_values_go_after_their_last_use() -> None:
    """Of a chain of ten no more than the one at hand and its result are alive at once."""
    x = inputs = keras.Input((4,))
    for _ in range(10):
        x = layers.ReLU()(x)
    alive: weakref.WeakSet[Value] = weakref.WeakSet()
    most = 0

    def visit(call: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Value:
        nonlocal most
        result = Value(args[0].number + 1)
        alive.add(result)
        most = max(most, len(alive))
        return result

    assert walk(keras.Model(inputs, x), [Value(0)], visit)[0].number == 10
    assert most <= 3
