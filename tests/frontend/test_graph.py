from __future__ import annotations

import keras
import pytest
from keras import layers

from compiler.errors import UnsupportedModel
from compiler.frontend.graph import calls, consumers, graph_of, producers
from tests.frontend.networks import NETWORKS, residual, shared


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_calls_come_after_the_calls_they_read(build):
    model = graph_of(build())
    known = {id(tensor) for tensor in model.inputs}
    for call in calls(model):
        assert all(id(tensor) in known for tensor in call.inputs)
        known |= {id(tensor) for tensor in call.outputs}
    assert all(id(tensor) in known for tensor in model.outputs)


def test_a_shared_layer_is_called_several_times():
    assert [call.name for call in calls(shared())] == ["conv", "bn", "conv", "bn", "flat"]


def test_calls_outside_of_the_model_do_not_count():
    model = shared()
    model.get_layer("conv")(keras.Input((8, 8, 3)))  # somebody else uses the layer, too
    assert sum(call.name == "conv" for call in calls(model)) == 2


def test_producers_and_consumers():
    model = residual()
    relu = model.get_layer("relu1").output
    assert producers(model)[id(relu)].name == "relu1"
    assert sorted(call.name for call in consumers(model)[id(relu)]) == ["add", "depthwise"]
    assert id(model.inputs[0]) not in producers(model)
    assert id(model.outputs[0]) not in consumers(model)


def test_a_subclassed_model_is_refused():
    class Mine(keras.Model):
        def __init__(self):
            super().__init__(name="mine")
            self.dense = layers.Dense(2)

        def call(self, x):
            return self.dense(x)

    with pytest.raises(UnsupportedModel, match=r"'mine' is of the subclassed type 'Mine'.*keras\.Model\(inputs"):
        graph_of(Mine())
