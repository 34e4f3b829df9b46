"""Operators whose result is known without running the network: of constants, or of a tensor's shape."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from compiler.errors import BadInput
from compiler.tflite.operator import Operator
from compiler.tflite.slices import slices

Fold = Callable[[Operator, list[np.ndarray]], np.ndarray]


def fold_constants(operator: Operator) -> np.ndarray | None:
    """The operator's one output, where it can be known; else None. Raises BadInput for constants that don't fit."""
    if operator.kind == "SHAPE":
        return np.array(operator.input(0).shape, np.int64)
    fold = FOLDS.get(operator.kind)
    constants = [value.constant for value in operator.inputs if value is not None and value.constant is not None]
    if fold is None or len(constants) != len(operator.inputs) or len(operator.outputs) != 1:
        return None
    try:
        return fold(operator, constants)
    except (ValueError, LookupError, TypeError) as error:
        raise BadInput(f"this TFLite file is damaged: the constants of {operator} don't fit; write it again") from error


def _same(operator: Operator, constants: list[np.ndarray]) -> np.ndarray:
    return constants[0]


# DENSIFY, DEQUANTIZE, QUANTIZE: constants are dense real numbers from the start.
FOLDS: dict[str, Fold] = {
    "CAST": _same,
    "CONCATENATION": lambda operator, constants: np.concatenate(constants, operator.option("axis")),
    "DENSIFY": _same,
    "DEQUANTIZE": _same,
    "EXPAND_DIMS": lambda operator, constants: np.expand_dims(constants[0], int(constants[1])),
    "PACK": lambda operator, constants: np.stack(constants, operator.option("axis")),
    "QUANTIZE": _same,
    "REDUCE_PROD": lambda operator, constants: np.prod(constants[0], tuple(constants[1].reshape(-1))),
    "RESHAPE": lambda operator, constants: constants[0].reshape(constants[1].reshape(-1)),
    "STRIDED_SLICE": lambda operator, constants: constants[0][slices(operator, constants[0].shape)],
    "TRANSPOSE": lambda operator, constants: constants[0].transpose(constants[1]),
}
