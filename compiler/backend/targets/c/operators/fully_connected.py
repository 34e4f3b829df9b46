"""FULLY_CONNECTED."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compiler.backend.targets.c.ctext import Code, define_constants, define_struct
from compiler.backend.targets.c.graph import Operator
from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.operators.activation import activation_range
from compiler.backend.targets.c.operators.conv import bias_of, largest_sums
from compiler.backend.targets.c.operators.factors import require_int32
from kernels.reference.conv2d import fold_bias
from kernels.reference.exact_factor import exact_factor

PARAMS_BYTES = 24  # sizeof(fully_connected_params) where pointers have 4 bytes


@dataclass(frozen=True, eq=False)
class FullyConnected(Node):
    """n rows of c_in values. bias with the zero point folded in; factors (multiplier, shift), one or one a channel."""

    n: int
    weights: np.ndarray  # (c_out, c_in)
    bias: np.ndarray
    factors: tuple[tuple[int, int], ...]
    zero_out: int
    activation: tuple[int, int]

    @property
    def output_bytes(self) -> int:
        return self.n * len(self.weights)

    @property
    def weight_arrays(self) -> tuple[np.ndarray, ...]:
        return self.weights, self.bias.astype(np.int32)

    def code(self, prefix: str) -> Code:
        arrays = {
            "weights": self.weights,
            "bias": self.bias.astype(np.int32),
            "multiplier": np.array([m for m, _ in self.factors], np.int64),
            "shift": np.array([s for _, s in self.factors], np.uint8),
        }
        constants = define_constants(prefix, arrays)
        fields: dict[str, object] = dict(constants.names)
        fields |= {"c_in": self.weights.shape[1], "c_out": self.weights.shape[0]}
        fields |= {"per_channel": int(len(self.factors) > 1), "zero_out": self.zero_out}
        fields |= {"min": self.activation[0], "max": self.activation[1]}
        return Code(
            ("fully_connected_s8",),
            constants.text + define_struct("fully_connected_params", prefix, fields),
            f"fully_connected_s8(&{prefix}, {{in0}}, {{out}}, {self.n});",
            constants.bytes + PARAMS_BYTES,
        )


def lower_fully_connected(operator: Operator) -> FullyConnected:
    x, kernel, out = operator.map(), operator.input(1), operator.output
    operator.require_int8(out)
    weights = operator.constant(1)
    if weights.dtype != np.int8 or weights.ndim != 2 or not kernel.scales or kernel.zero:
        operator.refuse(f"its kernel is {weights.dtype} of {weights.ndim} axes; quantize it to int8, symmetrically")
    if operator.options is not None and operator.options.weightsFormat:
        operator.refuse("its kernel is shuffled; convert again without that")
    c_out, c_in = weights.shape
    if x.size % c_in or out.size != x.size // c_in * c_out or max(c_in, c_out) > 65535:
        operator.refuse(f"its kernel {weights.shape} doesn't fit {x.size} values; at most 65535 channels")
    if len(kernel.scales) not in (1, c_out):
        operator.refuse(f"its kernel has {len(kernel.scales)} scales for {c_out} channels; quantize it again")
    bias = bias_of(operator, c_out)
    sums = largest_sums(weights, bias, x.zero)
    require_int32(operator, sums, np.zeros(c_out))
    low, high = activation_range(operator)
    bounds = sums if len(kernel.scales) == c_out else [sums.max()]
    factors = []
    for channel, (scale, bound) in enumerate(zip(kernel.scales, bounds, strict=True)):
        factor = exact_factor(x.scale * scale / out.scale, int(bound), low - out.zero, high - out.zero)
        if factor is None:
            operator.refuse(f"no integer factor rounds as the scale of channel {channel} does; quantize it again")
        factors.append(factor)
    return FullyConnected(
        operator.name,
        (x.index,),
        out.index,
        x.size // c_in,
        weights,
        fold_bias(bias, weights, x.zero),
        tuple(factors),
        out.zero,
        (low, high),
    )
