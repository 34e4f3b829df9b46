"""What of a TFLite file becomes Keras: an operator and the function that builds its layer."""

from __future__ import annotations

from compiler.frontend.tflite_operators import activation, arithmetic
from compiler.frontend.tflite_operators.conv import conv_2d, depthwise_conv_2d, transpose_conv
from compiler.frontend.tflite_operators.cut import cut, gather
from compiler.frontend.tflite_operators.fully_connected import batch_matmul, fully_connected
from compiler.frontend.tflite_operators.join import concatenation, split, split_v, tile
from compiler.frontend.tflite_operators.node import Build
from compiler.frontend.tflite_operators.pad import mirror_pad, pad
from compiler.frontend.tflite_operators.pass_on import pass_on
from compiler.frontend.tflite_operators.pool import average_pool_2d, max_pool_2d
from compiler.frontend.tflite_operators.reduce import reduce
from compiler.frontend.tflite_operators.reshape import reshape, transpose
from compiler.frontend.tflite_operators.resize import resize_bilinear, resize_nearest_neighbor

OPERATORS: dict[str, Build] = {
    "ABS": arithmetic.unary,
    "ADD": arithmetic.binary,
    "AVERAGE_POOL_2D": average_pool_2d,
    "BATCH_MATMUL": batch_matmul,
    "CAST": pass_on,
    "CONCATENATION": concatenation,
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "DEQUANTIZE": pass_on,
    "DIV": arithmetic.binary,
    "ELU": activation.simple,
    "EXP": arithmetic.unary,
    "EXPAND_DIMS": reshape,
    "FULLY_CONNECTED": fully_connected,
    "GATHER": gather,
    "GELU": activation.gelu,
    "HARD_SWISH": activation.simple,
    "LEAKY_RELU": activation.leaky_relu,
    "LOG": arithmetic.unary,
    "LOGISTIC": activation.simple,
    "LOG_SOFTMAX": activation.simple,
    "MAXIMUM": arithmetic.binary,
    "MAX_POOL_2D": max_pool_2d,
    "MEAN": reduce,
    "MINIMUM": arithmetic.binary,
    "MIRROR_PAD": mirror_pad,
    "MUL": arithmetic.binary,
    "NEG": arithmetic.unary,
    "PAD": pad,
    "PADV2": pad,
    "PRELU": activation.prelu,
    "QUANTIZE": pass_on,
    "REDUCE_MAX": reduce,
    "REDUCE_MIN": reduce,
    "RELU": activation.simple,
    "RELU6": activation.simple,
    "RELU_0_TO_1": activation.relu_0_to_1,
    "RELU_N1_TO_1": activation.relu_n1_to_1,
    "RESHAPE": reshape,
    "RESIZE_BILINEAR": resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": resize_nearest_neighbor,
    "RSQRT": arithmetic.unary,
    "SLICE": cut,
    "SOFTMAX": activation.softmax,
    "SPLIT": split,
    "SPLIT_V": split_v,
    "SQRT": arithmetic.unary,
    "SQUARE": arithmetic.unary,
    "SQUEEZE": reshape,
    "STRIDED_SLICE": cut,
    "SUB": arithmetic.binary,
    "SUM": reduce,
    "TANH": activation.simple,
    "TILE": tile,
    "TRANSPOSE": transpose,
    "TRANSPOSE_CONV": transpose_conv,
}
