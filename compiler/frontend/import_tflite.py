"""A .tflite file → the Keras network that computes the same, on real numbers.

Weights are what their quantized numbers stand for, inputs and outputs are real numbers too, and the file's own ranges
are carried: the statistics that a network without BatchNorm has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from compiler.errors import BadInput, CompilerError, UnsupportedModel
from compiler.frontend.flat_names import unused
from compiler.frontend.graph import producers, unpack
from compiler.frontend.tflite_operators import OPERATORS
from compiler.frontend.tflite_operators.activation import fused
from compiler.frontend.tflite_operators.layer_name import clean, layer_name
from compiler.frontend.tflite_operators.node import Node
from compiler.tflite.operator import Operator, Value
from compiler.tflite.source import Source, read_source

Range = tuple[float, float]

# Their outputs' ranges are fixed by the format or taken over from an input, and tell nothing of the data.
_TOLD = {"LOGISTIC", "LOG_SOFTMAX", "SOFTMAX", "TANH"}


@dataclass(frozen=True)
class Quantized:
    """What an int8 file tells of the data that its makers calibrated it on, and its size.

    `inputs`: lowest and highest value of each input, None where the file says none; `layers`: those of what the named
    operations of the Keras network make.
    """

    inputs: tuple[Range | None, ...]
    layers: Mapping[str, Range] = field(default_factory=dict)
    file_bytes: int = 0


@dataclass(frozen=True, eq=False)
class Imported:
    """`quantized`: None for a file of floats."""

    model: keras.Model
    quantized: Quantized | None


def import_tflite(tflite: bytes) -> Imported:
    """The main graph of a .tflite as a functional model, open to any batch.

    Raises BadInput for a damaged file; UnsupportedModel, by its name, for an operator that can't be read.
    """
    source = read_source(tflite)
    _refuse_unknown(source)
    batch = {value.shape[0] if value.shape else 0 for value in source.inputs}
    if len(batch) != 1 or 0 in batch:
        raise UnsupportedModel("the inputs of this TFLite file have no batch in common; convert it for one example")
    taken: set[str] = set()
    inputs = [keras.Input(v.shape[1:], name=unused(clean(v.name), taken)) for v in source.inputs]
    tensors: dict[int, Any] = {v.index: tensor for v, tensor in zip(source.inputs, inputs, strict=True)}
    layers: dict[tuple[Any, ...], keras.Layer] = {}
    for operator in source.operators:
        node = Node(operator, _tensors(operator, tensors), _name(operator, taken), layers)
        for value, made in zip(operator.outputs, _build(node), strict=True):
            tensors[value.index] = made
    absent = [v for v in source.outputs if v.index not in tensors]
    if absent:
        raise UnsupportedModel(f"output '{absent[0].name}' of this TFLite file is constant; convert it without that")
    model = keras.Model(unpack(inputs), unpack([tensors[v.index] for v in source.outputs]), name="network")
    ranges = _ranges(source, tensors, model)
    return Imported(
        model, Quantized(tuple(v.limits for v in source.inputs), ranges, len(tflite)) if source.quantized else None
    )


def _refuse_unknown(source: Source) -> None:
    unknown = sorted({operator.kind for operator in source.operators} - set(OPERATORS))
    if unknown:
        raise UnsupportedModel(
            f"the TFLite file uses {', '.join(unknown)}, which can't be read (of its kind can: "
            f"{', '.join(sorted(OPERATORS))}); give the network as a .keras file, or convert it without that part"
        )


def _tensors(operator: Operator, tensors: Mapping[int, Any]) -> tuple[Any, ...]:
    """The Keras tensors of the operator's inputs, None where they are constant or absent."""

    def of(value: Value | None) -> Any:
        if value is None or value.constant is not None:
            return None
        if value.index not in tensors:
            raise BadInput(f"this TFLite file is damaged: {operator} reads '{value.name}', which nothing makes")
        return tensors[value.index]

    return tuple(of(value) for value in operator.inputs)


def _name(operator: Operator, taken: set[str]) -> str:
    return unused(layer_name(operator), taken)


def _build(node: Node) -> list[Any]:
    """The Keras tensors that stand for the operator's outputs, of the shapes that the file says."""
    operator = node.operator
    try:
        made = OPERATORS[operator.kind](node)
    except CompilerError:
        raise
    except Exception as error:
        first = str(error).strip().split("\n")[0][:160]
        raise UnsupportedModel(
            f"{operator} has no equal in Keras ({first}); give the network as a .keras file, or convert it without "
            "that part"
        ) from error
    outputs = made if isinstance(made, list) else [fused(node, made)]
    for value, tensor in zip(operator.outputs, outputs, strict=True):
        if value.shape and tuple(tensor.shape[1:]) != value.shape[1:]:
            raise node.refuse(
                f"makes {value.shape[1:]} in the file and {tuple(tensor.shape[1:])} in Keras",
                "give the network as a .keras file, or convert it without that part",
            )
    return outputs


def _ranges(source: Source, tensors: Mapping[int, Any], model: keras.Model) -> dict[str, Range]:
    """Of all operations whose result has a range of its own in the file."""
    made_by = producers(model)
    ranges: dict[str, Range] = {}
    for operator in source.operators:
        inherited = {value.limits for value in operator.inputs if value is not None}
        for value in operator.outputs:
            call = made_by.get(id(tensors[value.index]))
            if call is not None and value.limits and value.limits not in inherited and operator.kind not in _TOLD:
                ranges.setdefault(call.name, value.limits)
    return ranges
