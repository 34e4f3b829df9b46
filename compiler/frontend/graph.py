"""Reading a Keras functional graph: the one file that looks behind Keras' public API.

Keras 3 keeps a graph as operations (layers, models, `keras.ops`), each with one node per call; the symbolic tensors
point back at the node that made them (`keras/src/ops/function.py`, `keras/src/ops/node.py`). A node may belong to
another model that shares the layer, so what belongs to *this* model has to be asked of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras

from compiler.errors import UnsupportedModel


@dataclass(frozen=True, eq=False)
class Call:
    """One application of an operation: `outputs = operation(*args, **kwargs)`.

    `args` and `kwargs` are as the author wrote them, nested structures with symbolic tensors among the leaves;
    `inputs` and `outputs` are the flat lists of these tensors.
    """

    operation: keras.Operation
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: tuple[keras.KerasTensor, ...]
    outputs: tuple[keras.KerasTensor, ...]

    @property
    def name(self) -> str:
        return self.operation.name


def graph_of(model: keras.Model) -> keras.Model:
    """The model as a functional graph over the same layers: itself, or a Sequential's layers in a row."""
    if isinstance(model, keras.Sequential):
        return keras.Model(unpack(model.inputs), unpack(model.outputs), name=model.name)
    if not hasattr(model, "operations"):
        raise UnsupportedModel(
            f"'{model.name}' is of the subclassed type '{type(model).__name__}' and has no graph to rewrite; make a "
            "functional model of it with keras.Model(inputs, model.call(inputs))"
        )
    return model


def calls(model: keras.Model) -> Iterator[Call]:
    """All calls of a functional graph in topological order, the inputs left out. Nested models are one call each."""
    position = {id(operation): index for index, operation in enumerate(model.operations)}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in sorted(model._nodes_by_depth[depth], key=lambda node: position[id(node.operation)]):
            if not node.is_input:
                arguments = node.arguments
                yield Call(
                    node.operation, arguments.args, arguments.kwargs, tuple(node.input_tensors), tuple(node.outputs)
                )


def emit(model: keras.Model, inputs: Any, apply: Callable[[Call, tuple[Any, ...], dict[str, Any]], Any]) -> Any:
    """Write the graph once more on `inputs` (structured as `model.input`); returns a structure like `model.output`.

    `apply(call, args, kwargs)` returns what stands for the call's outputs: anything that flattens to as many tensors.
    """
    tensors: dict[int, Any] = {}
    tensors.update(zip(map(id, model.inputs), keras.tree.flatten(inputs), strict=True))

    def here(leaf: Any) -> Any:
        return tensors.get(id(leaf), leaf)

    for call in calls(model):
        args, kwargs = keras.tree.map_structure(here, (call.args, call.kwargs))
        outputs = keras.tree.flatten(apply(call, args, kwargs))
        tensors.update(zip(map(id, call.outputs), outputs, strict=True))
    return keras.tree.map_structure(here, model.output)


def consumers(model: keras.Model) -> dict[int, list[Call]]:
    """Who reads each tensor: `id(tensor)` → calls. The model's outputs are not among the readers."""
    readers: dict[int, list[Call]] = {}
    for call in calls(model):
        for tensor in call.inputs:
            readers.setdefault(id(tensor), []).append(call)
    return readers


def producers(model: keras.Model) -> dict[int, Call]:
    """Who made each tensor: `id(tensor)` → call. Inputs have no producer."""
    return {id(tensor): call for call in calls(model) for tensor in call.outputs}


def unpack(structure: Any) -> Any:
    """A list or tuple of one is that one; all else stays as it is."""
    return structure[0] if isinstance(structure, (list, tuple)) and len(structure) == 1 else structure
