"""Read a saved model's configuration before Keras does: refuse what must not be run, mend what Keras 2 wrote.

Keras 3 reads most of Keras 2's configurations, and stops at a few (seen with files of tf_keras 2.21 and of the
MLPerf Tiny suite): constructor arguments it no longer has (`groups` of DepthwiseConv2D and Conv2DTranspose), names
with a slash, `Policy` objects, `batch_input_shape` on a first layer, and every `.keras` archive, because it names
modules that are gone. None of these changes what the network computes.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from typing import Any

import keras

from compiler.errors import UnsupportedModel
from compiler.frontend.mend_tensorflow_call import mend_tensorflow_call

_GRAPHS = {"Functional": "keras.src.models.functional", "Model": "keras", "Sequential": "keras"}
_TRAINING_ONLY = ("_initializer", "_regularizer", "_constraint")
_RENAMED = {("LeakyReLU", "alpha"): "negative_slope"}
_NO_EFFECT = {"fused", "rng_type"}
_REPLACED = "; replace it by a Keras layer or a keras.ops call, load the weights into that network and save it again"


def mend_config(config: dict[str, Any], *, keras_2: bool) -> dict[str, Any]:
    """The configuration (`{"class_name": …, "config": …}`) as Keras 3 takes it; equal to the given one if all is well.

    Raises UnsupportedModel for subclassed models, custom layers, Lambda layers and raw TensorFlow operations.
    """
    config = copy.deepcopy(config)
    for entry in _objects(config):
        _refuse_code(entry)
    if config.get("class_name") not in _GRAPHS:
        raise UnsupportedModel(
            f"the model is of the subclassed type '{config.get('class_name')}', whose graph is not in the file; save "
            "it as a functional model: keras.Model(inputs, model.call(inputs)).save('network.keras')"
        )
    _mend_graph(config, keras_2=keras_2)
    return _without_slashes(config) if keras_2 else config


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    """Every serialized object in the configuration, at any depth."""
    if isinstance(node, dict):
        if "class_name" in node:
            yield node
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _objects(child)


def _refuse_code(entry: dict[str, Any]) -> None:
    name = _name(entry)
    match entry["class_name"]:
        case "Lambda":
            raise UnsupportedModel(f"layer '{name}' is a Lambda, and Python code in a file is never run{_REPLACED}")
        case "__lambda__":
            raise UnsupportedModel(f"the model holds a Python lambda, and code in a file is never run{_REPLACED}")
        case "TFSMLayer" | "JaxLayer" | "FlaxLayer" | "TorchModuleWrapper" as kind:
            raise UnsupportedModel(f"layer '{name}' is a {kind}, which wraps another framework's code{_REPLACED}")
        case "SlicingOpLambda":
            raise UnsupportedModel(f"layer '{name}' is a raw TensorFlow slice{_REPLACED}")


def _mend_graph(entry: dict[str, Any], *, keras_2: bool) -> None:
    settings = entry["config"]
    if isinstance(settings, list):  # Sequential before Keras 2.2.3
        settings = entry["config"] = {"name": "sequential", "layers": settings}
    if keras_2 and entry.get("module"):
        entry["module"] = _GRAPHS[entry["class_name"]]
    if keras_2:
        settings["layers"] = [
            mend_tensorflow_call(layer) if layer["class_name"] == "TFOpLambda" else layer
            for layer in settings["layers"]
        ]
    for layer in settings["layers"]:
        if layer["class_name"] in _GRAPHS and _is_keras(layer):
            _mend_graph(layer, keras_2=keras_2)
        elif not _is_keras(layer):
            raise UnsupportedModel(
                f"layer '{_name(layer)}' is of the custom class '{layer['class_name']}', whose code is not in the file"
                + _REPLACED
            )
        elif keras_2 and hasattr(keras.layers, layer["class_name"]):
            _mend_layer(layer)
    if keras_2 and entry["class_name"] == "Sequential":
        _give_input_layer(settings["layers"])


def _is_keras(entry: dict[str, Any]) -> bool:
    """Whether the class is Keras' own. (Keras 2 wrote graphs under `tf_keras.src…` and `keras.engine…`.)"""
    class_name, module = entry["class_name"], entry.get("module")
    if entry.get("registered_name") not in (None, class_name):
        return False
    if not module:
        return class_name in _GRAPHS or hasattr(keras.layers, class_name)
    return module.split(".")[0] in ("keras", "tf_keras")


def _mend_layer(entry: dict[str, Any]) -> None:
    settings = entry["config"]
    for inner in (value for value in settings.values() if isinstance(value, dict)):
        if hasattr(keras.layers, str(inner.get("class_name"))):  # TimeDistributed, Bidirectional
            _mend_layer(inner)
    if isinstance(settings.get("dtype"), dict):
        settings["dtype"] = settings["dtype"]["config"]["name"]
    if isinstance(settings.get("axis"), list) and len(settings["axis"]) == 1:
        settings["axis"] = settings["axis"][0]
    for key in list(settings):
        if new_key := _RENAMED.get((entry["class_name"], key)):
            settings[new_key] = settings.pop(key)
    known = _arguments(getattr(keras.layers, entry["class_name"]))
    for key in [key for key in settings if key not in known]:
        neutral = settings[key] in (None, False, 1, "") or key.endswith(_TRAINING_ONLY) or key in _NO_EFFECT
        if not neutral and key != "batch_input_shape":
            raise UnsupportedModel(
                f"layer '{_name(entry)}' ({entry['class_name']}) was saved by Keras 2 with {key}={settings[key]!r}, "
                f"which Keras {keras.__version__} does not have; rebuild the layer without it and save the model again"
            )
        if entry["class_name"] == "InputLayer" and key == "batch_input_shape":
            settings["batch_shape"] = settings[key]
        if key != "batch_input_shape" or entry["class_name"] == "InputLayer":
            del settings[key]


def _arguments(layer_class: type) -> set[str]:
    """Names of all constructor arguments, those that go to the base classes by `**kwargs` included."""
    names: set[str] = set()
    for base in layer_class.__mro__:
        if "__init__" in vars(base):
            arguments = inspect.signature(base.__init__).parameters  # type: ignore[misc]
            names.update(arguments)
            if all(argument.kind != argument.VAR_KEYWORD for argument in arguments.values()):
                break
    return names


def _give_input_layer(layers: list[dict[str, Any]]) -> None:
    """`batch_input_shape` of a Sequential's first layer becomes an InputLayer; on other layers it means nothing."""
    shapes = [layer["config"].pop("batch_input_shape", None) for layer in layers]
    if layers and shapes[0] is not None:
        name = f"{_name(layers[0])}_input"
        layers.insert(0, {"class_name": "InputLayer", "config": {"batch_shape": shapes[0], "name": name}})
        if "module" in layers[1]:
            layers[0] |= {"module": "keras.layers", "registered_name": None}


def _without_slashes(config: dict[str, Any]) -> dict[str, Any]:
    """Keras 3 forbids `/` in names; the graph refers to layers by name, so every mention is renamed."""
    names = {_name(entry) for entry in _objects(config)}
    renamed = {name: name.replace("/", "_") for name in names if "/" in name}

    def mend(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: mend(value) for key, value in node.items()}
        if isinstance(node, list):
            return [mend(value) for value in node]
        return renamed.get(node, node) if isinstance(node, str) else node

    return mend(config) if renamed else config


def _settings(entry: dict[str, Any]) -> dict[str, Any]:
    return entry["config"] if isinstance(entry.get("config"), dict) else {}


def _name(entry: dict[str, Any]) -> str:
    return str(_settings(entry).get("name") or entry.get("name") or entry["class_name"])
