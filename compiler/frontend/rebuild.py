"""Re-emit a functional graph with some operations replaced by whole subgraphs.

Every graph rewrite of the compiler is one call of this function. It never edits in place: the result shares no
variable with its source, so the source stays the reference that the rewrite is checked against.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from compiler.frontend.graph import Call, emit


def rebuild(model: keras.Model, replace: Mapping[str, Callable[..., Any]]) -> keras.Model:
    """The same network with each operation named in `replace` emitted by the given function instead.

    The function gets the operation's arguments on the new graph (symbolic tensors, structured as in the original
    call; keywords that are None are dropped) and returns as many tensors of the same shapes; one that returns its
    argument removes the operation. It is called once per call of the operation, so where a shared layer is replaced,
    layers that are to stay shared are made outside of the function.

    All other layers become fresh copies with copied weights, under their own names; a layer called several times
    stays one layer called several times. Names, shapes, dtypes and structure of inputs and outputs are kept.

    Raises KeyError if `replace` names an operation that the graph does not have.
    """
    missing = set(replace) - {operation.name for operation in model.operations}
    if missing:
        raise KeyError(f"no operation named {sorted(missing)} in model '{model.name}'")
    copies: dict[int, keras.Operation] = {}

    def apply(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if call.name in replace:
            return replace[call.name](*args, **{key: value for key, value in kwargs.items() if value is not None})
        key = id(call.operation)
        if key in copies:
            return copies[key](*args, **kwargs)
        copies[key] = copy_of(call.operation)
        outputs = copies[key](*args, **kwargs)
        if isinstance(call.operation, keras.Layer) and call.operation.weights:
            set_weights(copies[key], call.operation.get_weights())
        return outputs

    inputs = keras.tree.map_structure(fresh_input, model.input)
    return keras.Model(inputs, emit(model, inputs, apply), name=model.name)


def fresh_input(tensor: keras.KerasTensor) -> keras.KerasTensor:
    """A new input of the same name, shape and dtype."""
    return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)


def copy_of(operation: keras.Operation, **changes: Any) -> keras.Operation:
    """A new, unbuilt operation with the same configuration but for `changes`; its weights are zeros until set."""
    config = operation.get_config()
    if isinstance(operation, keras.Layer) and operation.weights:  # random numbers for 138 M weights take seconds
        config |= {key: "zeros" for key in config if key.endswith("_initializer")}
    return type(operation).from_config({**config, **changes})


def set_weights(layer: keras.Layer, weights: list[np.ndarray]) -> None:
    """Give a built layer its weights, and what it derives from them."""
    layer.set_weights(weights)
    if isinstance(layer, keras.layers.Normalization):
        layer.finalize_state()
