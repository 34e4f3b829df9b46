from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from compiler.errors import UnsupportedModel
from compiler.frontend.load import load
from compiler.frontend.mend_tensorflow_call import mend_tensorflow_call

X = np.linspace(-8, 8, 12, dtype=np.float32).reshape(3, 4)


def _call(name: str, function: str, *inbound: list) -> dict:
    settings = {"name": name, "trainable": True, "dtype": "float32", "function": function}
    return {"class_name": "TFOpLambda", "config": settings, "name": name, "inbound_nodes": list(inbound)}


def _run(folder, *calls: dict) -> np.ndarray:
    """What the network of these calls, the last one its output, in a file of Keras 2, makes of `X`."""
    image = {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 4], "dtype": "float32"}}
    config = {
        "name": "net",
        "layers": [image | {"name": "x", "inbound_nodes": []}, *calls],
        "input_layers": [["x", 0, 0]],
        "output_layers": [[calls[-1]["name"], 0, 0]],
    }
    with h5py.File(folder / "net.h5", "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": config})
        file.attrs["keras_version"] = "2.15.0"
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = np.array([], dtype="S1")
    return np.asarray(load(folder / "net.h5")(X))


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("nn.relu", np.maximum(X, 0)),
        ("nn.relu6", np.clip(X, 0, 6)),
        ("nn.silu", X * _sigmoid(X)),
        ("math.sigmoid", _sigmoid(X)),
        ("math.tanh", np.tanh(X)),
    ],
)
def test_functions_of_one_tensor(function, expected, tmp_path):
    found = _run(tmp_path, _call(f"tf.{function}", function, ["x", 0, 0, {"name": None}]))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("__operators__.add", lambda a, b: a + b),
        ("math.add", lambda a, b: a + b),
        ("math.subtract", lambda a, b: a - b),
        ("math.multiply", lambda a, b: a * b),
        ("math.truediv", lambda a, b: a / b),
        ("math.divide", lambda a, b: a / b),
        ("math.maximum", np.maximum),
        ("math.minimum", np.minimum),
    ],
)
def test_functions_of_two(function, expected, tmp_path):
    """Tensor and constant, constant and tensor, tensor and tensor."""
    first = _call("first", function, ["x", 0, 0, {"y": 2.5, "name": None}])
    second = _call("second", function, ["_CONSTANT_VALUE", -1, 4.0, {"y": ["first", 0, 0]}])
    third = _call("third", function, ["second", 0, 0, {"y": ["x", 0, 0], "name": None}])
    wanted = expected(expected(4.0, expected(X, 2.5)), X)
    np.testing.assert_allclose(_run(tmp_path, first, second, third), wanted, rtol=1e-5)


def test_an_operation_called_twice():
    mended = mend_tensorflow_call(_call("r", "nn.relu", ["a", 0, 0, {}], ["b", 0, 0, {}]))
    histories = [node["args"][0]["config"]["keras_history"] for node in mended["inbound_nodes"]]
    assert histories == [["a", 0, 0], ["b", 0, 0]]


@pytest.mark.parametrize(
    "call",
    [
        _call("f", "math.reduce_mean", ["x", 0, 0, {"axis": [1, 2]}]),
        _call("f", "nn.relu", ["x", 0, 0, {"leak": 0.1}]),
        _call("f", "math.add", ["x", 0, 0, {}]),
        _call("f", "concat", [["x", 0, 0, {"axis": -1}], ["y", 0, 0, {"axis": -1}]]),
    ],
)
def test_other_calls_are_refused(call):
    with pytest.raises(UnsupportedModel, match=r"layer 'f' is the raw TensorFlow call tf\..*; put a Keras layer or a"):
        mend_tensorflow_call(call)
