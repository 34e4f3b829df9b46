"""Leave out channels whose value no input changes.

Training, weight decay and pruning leave channels behind that put out one value whatever comes in: no weight is left of
them, or a ReLU closes on all that can reach it. What reads a constant v needs no channel for it,

    W [x ; v] + b  =  W_x x + (b + W_v v)

and where everything that reads a channel, through activations, pooling, depthwise convolutions and sums of maps, finds
it constant, the channel goes, with its filters, biases and the weights that read it. A window that reaches over the
border sees zeros beside v, so behind one only v = 0 may go. This is exact.

What a channel can be is found by interval arithmetic, front to back, from inputs that may be anything: y = W x + b with
x in [l, u] lies in [W⁺l + W⁻u + b, W⁺u + W⁻l + b] (Moore, "Interval Analysis", 1966). A constant has l = u.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import layers

from compiler.frontend.check_equal import check_equal
from compiler.frontend.graph import Call, calls
from compiler.frontend.logits import logits_model
from compiler.frontend.rebuild import copy_of, rebuild, set_weights

MONOTONE = {"linear", "relu", "relu6", "leaky_relu", "elu", "selu", "sigmoid", "tanh", "softplus", "hard_sigmoid"}
POOLS = (
    layers.AveragePooling2D,
    layers.MaxPooling2D,
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D,
)

AT_ONCE = 2**22  # weights

Range = tuple[np.ndarray, np.ndarray]  # l and u, float64, one a channel


def drop_constant_channels(
    model: keras.Model,
    *,
    keep: frozenset[str] = frozenset(),
    grid: Callable[[int], int] = lambda channels: 1,
    tolerance: float = 1e-4,
) -> keras.Model:
    """The network without the channels that it can do without, or `model` itself where there are none. Of `channels`
    a multiple of `grid(channels)` stays, one at least; layers named in `keep` stay as they are.

    `model` is in normal form with BatchNorm folded. Raises CheckFailed if the logits on random inputs deviate by more
    than `tolerance`, relative to the largest (float32 sums are reordered).
    """
    graph = Channels(model, keep)
    dropped = graph.dropped(grid)
    if not dropped:
        return model
    narrow = rebuild(model, {call.name: narrowed(graph, dropped, call) for call in graph.touched(dropped)})
    check_equal(
        logits_model(model)[0],
        logits_model(narrow)[0],
        claim="leaving out constant channels leaves the network as it is",
        tolerance=tolerance,
    )
    return narrow


class Channels:
    """What each tensor's channels can be, and which tensors have their channels in common.

    `ranges`: by id of the tensor. Tensors that share their channels are a bundle, known by its `root`; `closed` are
    bundles that something reads or makes which needs every channel.
    """

    def __init__(self, model: keras.Model, keep: frozenset[str]) -> None:
        self.calls = list(calls(model))
        self.ranges: dict[int, Range] = {}
        self.parent: dict[int, int] = {}
        self.closed: set[int] = set()
        times = Counter(call.name for call in self.calls)
        for tensor in (*model.inputs, *model.outputs):
            self.close(tensor)
        for tensor in model.inputs:
            self.ranges[id(tensor)] = anything(tensor)
        for call in self.calls:
            known = kind_of(call) if times[call.name] == 1 and call.name not in keep else None
            for tensor, found in zip(call.outputs, self.outcome(call, known), strict=True):
                self.ranges[id(tensor)] = found
            if known == "passes":
                for tensor in call.inputs:
                    self.tie(tensor, call.outputs[0])
            elif known is None:
                for tensor in (*call.inputs, *call.outputs):
                    self.close(tensor)

    def outcome(self, call: Call, known: str | None) -> list[Range]:
        if known is None:
            return [anything(tensor) for tensor in call.outputs]
        return [range_of(call, [self.ranges[id(tensor)] for tensor in call.inputs])]

    def root(self, tensor: Any) -> int:
        at = self.parent.setdefault(id(tensor), id(tensor))
        while self.parent[at] != at:
            at = self.parent[at]
        return at

    def tie(self, one: Any, other: Any) -> None:
        kept, gone = self.root(one), self.root(other)
        self.parent[gone] = kept
        if gone in self.closed:
            self.closed.add(kept)

    def close(self, tensor: Any) -> None:
        self.closed.add(self.root(tensor))

    def dropped(self, grid: Callable[[int], int]) -> dict[int, np.ndarray]:
        """Of each bundle that loses channels, by its number, which ones (a mask)."""
        droppable: dict[int, np.ndarray] = {}
        for call in self.calls:
            root = self.root(call.inputs[0])
            if kind_of(call) == "mixes" and root not in self.closed:
                droppable[root] = droppable.get(root, True) & bearable(call, *self.ranges[id(call.inputs[0])])
        found = {}
        for root, mask in droppable.items():
            channels, alive = len(mask), int(np.sum(~mask))
            step = grid(channels)
            spare = min(channels, max(-(-alive // step), 1) * step) - alive  # dead ones that stay
            mask[np.flatnonzero(mask)[:spare]] = False
            if np.any(mask):
                found[root] = mask
        return found

    def touched(self, dropped: dict[int, np.ndarray]) -> Iterator[Call]:
        """Calls of layers that have another shape then."""
        for call in self.calls:
            ends = {self.root(tensor) for tensor in (*call.inputs, *call.outputs)}
            if ends & dropped.keys() and (call.operation.weights or isinstance(call.operation, layers.Reshape)):
                yield call


def kind_of(call: Call) -> str | None:
    """ "mixes": a linear layer; "passes": channel c of the output depends on channel c of the inputs alone; None:
    anything else."""
    operation = call.operation
    given = {key for key, value in call.kwargs.items() if value is not None} - {"training"}
    if given or len(call.outputs) != 1:
        return None
    if (type(operation) is layers.Conv2D and operation.groups == 1) or type(operation) is layers.Dense:
        return "mixes"
    if type(operation) is layers.DepthwiseConv2D:
        return "passes" if operation.depth_multiplier == 1 else None
    if type(operation) is layers.Add:
        return "passes" if len({tuple(t.shape) for t in call.inputs}) == 1 else None
    if type(operation) in (layers.Flatten, layers.Reshape):
        before, after = call.inputs[0].shape, call.outputs[0].shape
        return "passes" if before[-1] == after[-1] and all(n == 1 for n in (*before[1:-1], *after[1:-1])) else None
    if type(operation) in (*POOLS, layers.ZeroPadding2D) or is_monotone(operation):
        return "passes"
    return None


def is_monotone(operation: Any) -> bool:
    if type(operation) is layers.ReLU:
        return operation.threshold >= 0
    if type(operation) is layers.Activation:
        return getattr(operation.activation, "__name__", "") in MONOTONE
    return type(operation) is layers.LeakyReLU


def anything(tensor: Any) -> Range:
    channels = tensor.shape[-1] if len(tensor.shape) > 1 and tensor.shape[-1] else 1
    return np.full(channels, -np.inf), np.full(channels, np.inf)


def range_of(call: Call, sources: list[Range]) -> Range:
    """l and u of a call that is not of kind None."""
    operation = call.operation
    low, high = sources[0]
    if type(operation) is layers.Add:
        return sum_of([least for least, _ in sources]), sum_of([most for _, most in sources])
    if sees_border(operation):
        low, high = np.minimum(low, 0), np.maximum(high, 0)
    if type(operation) is layers.DepthwiseConv2D:
        kernel, bias = weights_of(operation)
        above, below = (part.sum(axis=(0, 1))[:, 0] for part in (np.maximum(kernel, 0), np.minimum(kernel, 0)))
        return times(above, low) + times(below, high) + bias, times(above, high) + times(below, low) + bias
    if type(operation) in (layers.Conv2D, layers.Dense):
        return mixed(*weights_of(operation), low, high)
    if is_monotone(operation):
        known = ~(np.isnan(low) | np.isnan(high))  # some activations make a number of what is none
        return np.where(known, applied(operation, low), -np.inf), np.where(known, applied(operation, high), np.inf)
    return low, high


def mixed(kernel: np.ndarray, bias: np.ndarray, low: np.ndarray, high: np.ndarray) -> Range:
    """Of a linear layer, some input channels at a time: a VGG-16's first Dense alone has 10^8 weights."""
    least, most = bias.copy(), bias.copy()
    rows = max(1, AT_ONCE * kernel.shape[-2] // kernel.size)
    for start in range(0, kernel.shape[-2], rows):
        part = kernel[..., start : start + rows, :].reshape(-1, min(rows, kernel.shape[-2] - start), kernel.shape[-1])
        above, below = (side.sum(axis=0, dtype=np.float64) for side in (np.maximum(part, 0), np.minimum(part, 0)))
        lows, highs = (end[start : start + rows, None] for end in (low, high))
        least += (times(above, lows) + times(below, highs)).sum(axis=0)
        most += (times(above, highs) + times(below, lows)).sum(axis=0)
    return least, most


def sum_of(ends: list[np.ndarray]) -> np.ndarray:
    return np.asarray(np.sum(ends, axis=0))


def applied(operation: Any, end: np.ndarray) -> np.ndarray:
    """An activation of one value a channel."""
    x = keras.ops.convert_to_tensor(end.reshape(1, 1, 1, -1).astype(np.float32))
    return np.asarray(keras.ops.convert_to_numpy(operation(x)), np.float64).ravel()


def times(weight: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Products in which no weight is nothing, even times infinity."""
    return np.where(weight == 0, 0.0, weight * np.where(weight == 0, 0.0, end))


def weights_of(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    """(kernel, bias in float64)."""
    kernel, *bias = layer.get_weights()
    outputs = kernel.shape[-2] if type(layer) is layers.DepthwiseConv2D else kernel.shape[-1]
    return kernel, bias[0].astype(np.float64) if bias else np.zeros(outputs)


def sees_border(operation: Any) -> bool:
    """Whether zeros around the map are among what it reads."""
    if type(operation) is layers.ZeroPadding2D:
        return True
    windowed = type(operation) in (layers.Conv2D, layers.DepthwiseConv2D)
    return windowed and operation.padding == "same" and max(operation.kernel_size) > 1


def bearable(call: Call, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Which channels a linear layer reads as constants that its bias can take."""
    free = call.operation.use_bias and not sees_border(call.operation)
    return (low == high) & np.isfinite(low) & ((low == 0) | free)


def narrowed(graph: Channels, dropped: dict[int, np.ndarray], call: Call) -> Callable[..., Any]:
    """The call's layer without these channels, as a function to call in its place."""
    layer, source = call.operation, call.inputs[0]
    before, after = (dropped.get(graph.root(tensor)) for tensor in (source, call.outputs[0]))
    if isinstance(layer, layers.Reshape):
        assert after is not None
        return copy_of(layer, target_shape=(*layer.target_shape[:-1], int(np.sum(~after))))
    kernel, bias = weights_of(layer)
    if type(layer) is layers.DepthwiseConv2D:
        assert after is not None
        kernel, bias, changes = kernel[:, :, ~after], bias[~after], {}
    else:
        if before is not None:
            values = np.where(before, graph.ranges[id(source)][0], 0.0)
            bias = bias + (kernel * values[:, None]).reshape(-1, *kernel.shape[-2:]).sum(axis=(0, 1))
            kernel = kernel[..., ~before, :]
        if after is not None:
            kernel, bias = kernel[..., ~after], bias[~after]
        changes = {"units" if type(layer) is layers.Dense else "filters": kernel.shape[-1]}

    def apply(tensor: Any, **_: Any) -> Any:
        copy = copy_of(layer, **changes)
        output = copy(tensor)
        set_weights(copy, [w.astype(np.float32) for w in ((kernel, bias) if layer.use_bias else (kernel,))])
        return output

    return apply
