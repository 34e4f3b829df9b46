"""What the C target runs: an operator of TFLite and the function that makes a call of a kernel of it."""

from __future__ import annotations

from collections.abc import Callable

from compiler.backend.targets.c.graph import Operator
from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.operators.add import lower_add
from compiler.backend.targets.c.operators.concatenation import lower_concatenation
from compiler.backend.targets.c.operators.conv import lower_conv, lower_depthwise
from compiler.backend.targets.c.operators.fully_connected import lower_fully_connected
from compiler.backend.targets.c.operators.gather import lower_gather
from compiler.backend.targets.c.operators.mean import lower_mean
from compiler.backend.targets.c.operators.mul import lower_mul
from compiler.backend.targets.c.operators.pad import lower_pad
from compiler.backend.targets.c.operators.pool import lower_average_pool, lower_max_pool
from compiler.backend.targets.c.operators.softmax import lower_softmax
from compiler.backend.targets.c.operators.table import lower_table

OPERATORS: dict[str, Callable[[Operator], Node]] = {
    "ADD": lower_add,
    "AVERAGE_POOL_2D": lower_average_pool,
    "CONCATENATION": lower_concatenation,
    "CONV_2D": lower_conv,
    "DEPTHWISE_CONV_2D": lower_depthwise,
    "ELU": lower_table,
    "FULLY_CONNECTED": lower_fully_connected,
    "GATHER": lower_gather,
    "HARD_SWISH": lower_table,
    "LEAKY_RELU": lower_table,
    "LOGISTIC": lower_table,
    "MAX_POOL_2D": lower_max_pool,
    "MEAN": lower_mean,
    "MUL": lower_mul,
    "PAD": lower_pad,
    "PADV2": lower_pad,
    "QUANTIZE": lower_table,
    "RELU": lower_table,
    "RELU6": lower_table,
    "RELU_N1_TO_1": lower_table,
    "SOFTMAX": lower_softmax,
    "TANH": lower_table,
}

RENAMINGS = ("EXPAND_DIMS", "RESHAPE", "SQUEEZE")
"""Operators that move no byte: the output is the input under another shape."""
