"""The clamp that a fused activation is in int8: tflite/kernels/kernel_util.cc, CalculateActivationRangeQuantized."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compiler.backend.targets.c.graph import Operator
from kernels.reference.requantize import round_half_away

_BOUNDS: dict[int, tuple[float | None, float | None]] = {
    schema.ActivationFunctionType.NONE: (None, None),
    schema.ActivationFunctionType.RELU: (0.0, None),
    schema.ActivationFunctionType.RELU6: (0.0, 6.0),
    schema.ActivationFunctionType.RELU_N1_TO_1: (-1.0, 1.0),
}


def activation_range(operator: Operator) -> tuple[int, int]:
    """(least, largest) int8 of the output. Refuses an operator with any other activation."""
    activation = 0 if operator.options is None else operator.options.fusedActivationFunction
    if activation not in _BOUNDS:
        operator.refuse("its fused activation has no kernel; use ReLU, or a layer of its own")
    low, high = _BOUNDS[activation]
    return (
        -128 if low is None else max(-128, _quantized(operator, low)),
        127 if high is None else min(127, _quantized(operator, high)),
    )


def _quantized(operator: Operator, value: float) -> int:
    return operator.output.zero + round_half_away(float(np.float32(value) / np.float32(operator.output.scale)))
