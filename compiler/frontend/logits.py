"""Where a network's logits are, and whether it is a classifier at all."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from compiler.frontend.graph import Call, producers

_PROBABILITIES = {"softmax", "log_softmax", "sigmoid"}
_SHAPE_ONLY = (layers.Reshape, layers.Flatten, layers.Permute)
_POOLED = (
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D,
    layers.AveragePooling2D,
    layers.MaxPooling2D,
    layers.AdaptiveAveragePooling2D,
    layers.AdaptiveMaxPooling2D,
)


def logits_model(model: keras.Model) -> tuple[keras.Model, bool]:
    """A model that outputs what enters the final softmax or sigmoid of each output, and whether it is a classifier.

    `model` is in normal form. The result is a view on the same layers, not a copy: kernels set in `model` show in
    it. Outputs without a final softmax or sigmoid are taken as they are; layers behind it that only reshape stay.

    Taken for a classifier: a network with one output of two or more values per sample (all dimensions but the last
    are 1), which ends in a softmax over that last dimension or, without softmax, in a linear Dense, or in a Conv2D
    with at most pooling behind it. A regression that ends in a linear Dense of several units looks the same; only
    labels tell it apart. No classifier: a sigmoid at the end (one unit, or many labels at once), several outputs,
    a map of values (segmentation, detection).
    """
    made_by = producers(model)
    logits, kinds = [], []
    for tensor in model.outputs:
        before, kind = _before_probabilities(tensor, made_by)
        logits.append(before)
        kinds.append(kind)
    outputs = keras.tree.pack_sequence_as(model.output, logits)
    is_classifier = len(logits) == 1 and _is_classifier(model.outputs[0], logits[0], kinds[0], made_by)
    return keras.Model(model.input, outputs, name=model.name), is_classifier


def _before_probabilities(tensor: Any, made_by: dict[int, Call]) -> tuple[Any, str | None]:
    """The tensor in front of a final softmax or sigmoid, and its name; else the tensor itself and None."""
    behind: list[Call] = []
    call = made_by.get(id(tensor))
    while call is not None and isinstance(call.operation, _SHAPE_ONLY):
        behind.append(call)
        call = made_by.get(id(call.inputs[0]))
    kind = None if call is None else _probabilities(call)
    if call is None or kind is None:
        return tensor, None
    logits = call.inputs[0]
    for reshape in reversed(behind):
        logits = reshape.operation(logits)
    return logits, kind


def _probabilities(call: Call) -> str | None:
    """The call's function, "softmax", "log_softmax" or "sigmoid" over the last dimension; None for any other."""
    operation = call.operation  # a layer or of `keras.ops`
    name = type(operation).__name__
    if isinstance(operation, layers.Activation):
        name = getattr(operation.activation, "__name__", "")
    name = {"LogSoftmax": "log_softmax"}.get(name, name.lower())
    axis, rank = getattr(operation, "axis", -1), len(call.outputs[0].shape)
    return name if name in _PROBABILITIES and axis in (-1, rank - 1) else None


def _is_classifier(output: Any, logits: Any, kind: str | None, made_by: dict[int, Call]) -> bool:
    *others, values = output.shape[1:]
    if any(size != 1 for size in others) or values is None or values < 2 or kind == "sigmoid":
        return False
    if kind is not None:
        return True
    call = made_by.get(id(logits))
    while call is not None and isinstance(call.operation, _SHAPE_ONLY + _POOLED):
        call = made_by.get(id(call.inputs[0]))
    return call is not None and isinstance(call.operation, (layers.Dense, layers.Conv2D))
