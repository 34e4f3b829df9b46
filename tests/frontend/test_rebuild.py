from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from compiler.frontend.check_equal import random_inputs
from compiler.frontend.graph import graph_of
from compiler.frontend.rebuild import copy_of, rebuild
from tests.frontend.networks import NETWORKS, nested_shared, operations, randomize, residual, shared, values


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_without_replacements_it_is_the_same_network_and_shares_nothing(build):
    model = graph_of(randomize(build()))
    inputs = random_inputs(model)
    expected = values(model, inputs)
    copy = rebuild(model, {})
    for found, value in zip(values(copy, inputs), expected, strict=True):
        np.testing.assert_array_equal(found, value)
    assert [o.name for o in copy.operations] == [o.name for o in model.operations]
    assert [(t.name, t.shape, t.dtype) for t in copy.inputs] == [(t.name, t.shape, t.dtype) for t in model.inputs]
    keras.tree.assert_same_structure(copy.output, model.output)
    keras.tree.assert_same_structure(copy.input, model.input)
    assert copy.name == model.name
    assert copy.output_names == model.output_names
    for weight in copy.weights:
        weight.assign(keras.ops.zeros_like(weight))
    for found, value in zip(values(model, inputs), expected, strict=True):
        np.testing.assert_array_equal(found, value)  # the source did not feel it


def test_a_layer_becomes_a_subgraph():
    """A convolution split into two halves of its output channels."""
    model = randomize(residual())
    conv = model.get_layer("conv1")
    kernel = conv.get_weights()[0]
    halves = [copy_of(conv, name=f"half{i}", filters=2) for i in range(2)]
    copy = rebuild(model, {"conv1": lambda x: layers.Concatenate(name="both")([half(x) for half in halves])})
    for half, part in zip(halves, np.split(kernel, 2, axis=-1), strict=True):
        half.set_weights([part])
    inputs = random_inputs(model)
    np.testing.assert_allclose(values(copy, inputs)[0], values(model, inputs)[0], rtol=1e-5, atol=1e-6)
    names = {o.name for o in copy.operations}
    assert {"half0", "half1", "both"} <= names
    assert "conv1" not in names


def test_the_function_is_called_once_a_call_and_gets_the_arguments():
    model = randomize(shared())
    seen = []

    def norm(tensor, **kwargs):
        seen.append((tensor.shape, kwargs))
        return tensor

    copy = rebuild(model, {"bn": norm})
    assert seen == [((None, 8, 8, 3), {}), ((None, 8, 8, 3), {})]  # Keras had recorded `mask=None`
    assert [o.name for o in copy.operations] == ["image", "conv", "flat"]


def test_lists_and_several_outputs_reach_the_function():
    model = nested_shared()
    copy = rebuild(model, {"cat": lambda tensors: layers.Add(name="sum")(tensors), "out": lambda x: x[:, :2]})
    assert [t.shape for t in copy.outputs] == [(None, 2), (None, 6, 6, 4)]
    model = operations()
    rebuild(model, {next(o.name for o in model.operations if "split" in o.name): lambda x: (x[..., :2], x[..., 2:])})


def test_an_unknown_name_is_an_error():
    with pytest.raises(KeyError, match="no operation named \\['conv9'\\] in model"):
        rebuild(residual(), {"conv9": lambda x: x})
