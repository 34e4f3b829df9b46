"""An operator of a TFLite file on the Keras graph that is being built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from compiler.errors import UnsupportedModel
from compiler.tflite.operator import Operator


@dataclass(frozen=True, eq=False)
class Node:
    """`tensors`: the Keras tensor of each input, None where it is constant or absent. `name`: for the layer to be
    made, unused. `layers`: those made so far, by what they were made of."""

    operator: Operator
    tensors: tuple[Any, ...]
    name: str
    layers: dict[tuple[Any, ...], keras.Layer] = field(default_factory=dict)

    @property
    def tensor(self) -> Any:
        """The one input that isn't constant, or the first of several."""
        return next(tensor for tensor in self.tensors if tensor is not None)

    def weighted(self, make: Callable[[], keras.Layer], weights: list[np.ndarray], tensor: Any) -> Any:
        """A layer with weights, called on `tensor`; operators with the same constants and options share one."""
        constants = tuple(v.index for v in self.operator.inputs if v is not None and v.constant is not None)
        options = repr(sorted(vars(self.operator.options).items())) if self.operator.options is not None else ""
        key = (self.operator.kind, constants, options)
        if key in self.layers:
            return self.layers[key](tensor)
        layer = self.layers[key] = make()
        output = layer(tensor)
        layer.set_weights([np.asarray(weight, np.float32) for weight in weights])
        return output

    def named(self, tensor: Any, suffix: str = "") -> Any:
        """The output of a `keras.ops` call, which would have a name that depends on the session otherwise."""
        tensor._keras_history.operation.name = f"{self.name}{suffix}"
        return tensor

    def refuse(self, why: str, mend: str) -> UnsupportedModel:
        """The error of an operator that is known, but not in this form; to be raised."""
        return UnsupportedModel(f"{self.operator} {why}; {mend}")


Build = Callable[[Node], Any]
