"""Keras 2 stored a bare TensorFlow call (`x * 2`, `tf.nn.relu(x)`) as a layer `TFOpLambda`; Keras 3 has operations.

A call in Keras 2's configuration is `[layer, node, tensor, keywords]`, where the keywords may name other tensors as
`[layer, node, tensor]`; Keras 3 writes positional arguments with tensors as `__keras_tensor__` objects
(`keras/src/models/functional.py::deserialize_node`). MobileNetV3 of Keras 2's applications is full of them.
"""

from __future__ import annotations

from typing import Any

from compiler.errors import UnsupportedModel

# Function below `tf` → (module of keras.src.ops, operation, names of its arguments behind the first).
_OPERATIONS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "__operators__.add": ("numpy", "Add", ("y",)),
    "math.add": ("numpy", "Add", ("y",)),
    "math.subtract": ("numpy", "Subtract", ("y",)),
    "math.multiply": ("numpy", "Multiply", ("y",)),
    "math.truediv": ("numpy", "TrueDivide", ("y",)),
    "math.divide": ("numpy", "TrueDivide", ("y",)),
    "math.maximum": ("numpy", "Maximum", ("y",)),
    "math.minimum": ("numpy", "Minimum", ("y",)),
    "nn.relu": ("nn", "Relu", ()),
    "nn.relu6": ("nn", "Relu6", ()),
    "nn.silu": ("nn", "Silu", ()),
    "math.sigmoid": ("nn", "Sigmoid", ()),
    "math.tanh": ("numpy", "Tanh", ()),
}


def mend_tensorflow_call(entry: dict[str, Any]) -> dict[str, Any]:
    """The `TFOpLambda` entry of a configuration as an entry of Keras 3. Raises UnsupportedModel for other calls."""
    name, function = entry["config"]["name"], entry["config"]["function"]
    module, operation, parameters = _OPERATIONS.get(function, ("", "", ()))
    calls = [_arguments(call, parameters) for call in entry["inbound_nodes"]]
    if not operation or None in calls:
        raise UnsupportedModel(
            f"layer '{name}' is the raw TensorFlow call tf.{function.removeprefix('__operators__.')}, which Keras 3 "
            "does not have; put a Keras layer or a keras.ops call in its place, load the weights and save again"
        )
    return {
        "module": f"keras.src.ops.{module}",
        "class_name": operation,
        "config": {"name": name},
        "registered_name": operation,
        "name": name,
        "inbound_nodes": [{"args": arguments, "kwargs": {}} for arguments in calls],
    }


def _arguments(call: list[Any], parameters: tuple[str, ...]) -> list[Any] | None:
    """Positional arguments of one call; None if it has keywords that the operation has no room for."""
    if len(call) != 4 or not isinstance(call[0], str):
        return None
    keywords = {key: value for key, value in call[3].items() if value is not None}
    if set(keywords) != set(parameters):
        return None
    first = call[2] if call[0] == "_CONSTANT_VALUE" else _tensor(call[:3])
    return [first, *(_tensor(keywords[name]) for name in parameters)]


def _tensor(value: Any) -> Any:
    """A `[layer, node, tensor]` as Keras 3 writes it; constants as they are."""
    if not (isinstance(value, list) and len(value) == 3 and isinstance(value[0], str)):
        return value
    return {"class_name": "__keras_tensor__", "config": {"shape": [], "dtype": "float32", "keras_history": value}}
