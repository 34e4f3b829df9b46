"""Inputs for a network without BatchNorm: natural noise under which its layers see what layers usually see.

    minimise  mean_l E_l + τ TV(x) [+ κ CE(z, balanced labels)]

    E_l = mean_c [ (m_c / s)² / 2a² + log²(s_c / s) / 2b² ] + log²(s) / 2d²          s² = mean_c s_c²

m_c, s_c are the batch's mean and standard deviation of channel c in front of the activation of layer l. Training starts
where channels are centred and alike (Glorot & Bengio 2010; He et al. 2015) and BatchNorm, folded or not, keeps them so:
the prior has a width of a = ½ standard deviation for means, of b and d for the logarithms of scales.

An int8 file knows more: the lowest and highest value of its inputs and of most layers on its makers' data. The inputs
stay within theirs, and a layer that leaves its own pays log²(extreme / the file's) / 2e². (That noise should reach the
extremes of real data can't be asked: real ones lie two to four times as many standard deviations out.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from compiler.datafree.input_range import Convention, infer_input_range, noise_of, of_range, softnesses
from compiler.datafree.natural_noise import natural_noise
from compiler.frontend.feed import feed
from compiler.frontend.graph import Call, calls, consumers
from compiler.frontend.import_tflite import Quantized, Range
from compiler.types import Span

MEAN, SPREAD, SCALE, EXTREME = 0.5, 0.4, 1.0, 0.3  # a, b, d, e
STEP_SIZE = 0.12  # of the inputs' standard deviation, annealed to zero
SMOOTHNESS = 0.02  # τ, for inputs of unit standard deviation
BALANCE = 0.05  # κ

_LINEAR = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)
_RECTIFIERS = ("relu", "relu6")


@dataclass(frozen=True, eq=False)
class Tap:
    """What one layer makes in front of its activation. `extremes`: the lowest and the highest of it that are known of
    the data, None where nothing is known of that side."""

    tensor: Any
    extremes: tuple[float | None, float | None] = (None, None)


def match_activations(
    model: keras.Model,
    logits: keras.Model,
    n: int,
    *,
    seed: int,
    classifier: bool,
    input_range: Range | None,
    quantized: Quantized | None,
    steps: int,
    batch: int,
    advance: Callable[[], None] = lambda: None,
) -> tuple[tuple[np.ndarray, ...], str, tuple[Span | None, ...]]:
    """(`n` inputs, rounded up to whole batches: one float32 array per model input; how they came about; of each, the
    lowest and the highest value that it may have in use, None where that is not known).

    model, logits   the normal form, and its view cut before the final softmax
    input_range     of all inputs, as the user says
    quantized       what the file says, if it was an int8 .tflite
    """
    taps = activation_taps(model, logits, {} if quantized is None else quantized.layers)
    tapped = keras.Model(model.inputs, [*(tap.tensor for tap in taps), *logits.outputs])
    shapes = [tuple(int(s) for s in tensor.shape[1:]) for tensor in model.inputs]
    told = [None] * len(shapes) if quantized is None else [*quantized.inputs]
    found, softness = _conventions(tapped, taps, shapes, input_range, told, seed)
    bounds = [
        of_range(*span) if span and not input_range else convention if convention.bounded else None
        for convention, span in zip(found, told, strict=True)
    ]
    gradients = _gradients(tapped, taps, classifier, [_deviation(convention) for convention in found])
    classes = int(logits.outputs[0].shape[-1] or 1)
    batches = []
    for index in range(-(-n // batch)):
        random = np.random.default_rng([seed, index])
        x = [tf.Variable(c(natural_noise(batch, s, random, softness))) for c, s in zip(found, shapes, strict=True)]
        labels = tf.constant(random.permutation(np.arange(batch) % classes).astype(np.int32))
        _descend(x, partial(gradients, x, labels), found, bounds, steps, advance)
        batches.append([part.numpy() for part in x])
    joined = tuple(np.concatenate(parts) for parts in zip(*batches, strict=True))
    known = sum(tap.extremes != (None, None) for tap in taps)
    source = f"no BatchNorm: natural noise moved until what {len(taps)} layers make is about standard normal"
    source += f", within the ranges that the file carries of {known}" if known else ""
    source += f"; inputs {found[0].name}"
    source += "" if input_range or None not in told else " (the likeliest; give --input_range)"
    spans = tuple(bound.span if bound else None for bound in bounds)
    return joined, f"{len(joined[0])} synthetic inputs, {source}", spans


def activation_taps(model: keras.Model, logits: keras.Model, ranges: Mapping[str, Range]) -> list[Tap]:
    """Of all convolutions and Dense but those that make the logits; of these, where there are no others."""
    readers = consumers(model)
    last = {id(tensor) for tensor in logits.outputs}
    linear = [call for call in calls(model) if isinstance(call.operation, _LINEAR)]
    return [
        Tap(call.outputs[0], _extremes(call, readers.get(id(call.outputs[0]), []), ranges))
        for call in [call for call in linear if id(call.outputs[0]) not in last] or linear
    ]


def _extremes(call: Call, readers: Sequence[Call], ranges: Mapping[str, Range]) -> tuple[float | None, float | None]:
    """Of the layer's own output, or of the activation behind it, which hides what it cuts off."""
    if call.name in ranges:
        low, high = ranges[call.name]
        return (low if low < 0 else None), (high if high > 0 else None)
    if len(readers) != 1 or readers[0].name not in ranges:
        return None, None
    activation = getattr(getattr(readers[0].operation, "activation", None), "__name__", "")
    high = ranges[readers[0].name][1]
    cut = activation not in _RECTIFIERS or high <= 0 or (activation == "relu6" and high > 5.9)
    return None, None if cut else high


def unlikeliness(values: Any, tap: Tap) -> Any:
    """E_l of one layer's values, (n, …, channels)."""
    axes = list(range(len(values.shape) - 1))
    means, variances = tf.nn.moments(values, axes)
    whole = tf.reduce_mean(variances) + 1e-9
    centred = means**2 / whole / (2 * MEAN**2)
    # A channel that is dead on every input must not rule: the logarithm ends at a thousandth.
    alike = (0.5 * tf.math.log((variances + 1e-3 * whole) / whole)) ** 2 / (2 * SPREAD**2)
    low, high = tap.extremes
    total = tf.reduce_mean(centred + alike) + (0.5 * tf.math.log(whole)) ** 2 / (2 * SCALE**2)
    for told, seen in ((low and -low, -values), (high, values)):
        if told:
            total += tf.math.log(tf.maximum(tf.reduce_max(seen), told) / told) ** 2 / (2 * EXTREME**2)
    return total


def _conventions(
    tapped: keras.Model,
    taps: Sequence[Tap],
    shapes: list[tuple[int, ...]],
    input_range: Range | None,
    told: Sequence[Range | None],
    seed: int,
) -> tuple[list[Convention], float]:
    """What noise in 0..1 becomes at each input, and how soft it is: as the user says, or the file of pictures; else
    what the layers find likeliest."""

    def miss(x: Sequence[np.ndarray]) -> float:
        values = keras.tree.flatten(tapped(feed(tapped, x), training=False))[: len(taps)]
        # The logarithm: each layer has a say, and none alone.
        return float(np.mean([np.log(float(unlikeliness(v, tap)) + 1e-6) for v, tap in zip(values, taps, strict=True)]))

    def softest(found: list[Convention]) -> tuple[float, float]:
        """(least miss, softness) of conventions that are known."""
        tried = softnesses(shapes[0])
        return min((miss([c(u) for c, u in zip(found, noise_of(shapes, s, seed), strict=True)]), s) for s in tried)

    if input_range is not None:
        known = [of_range(*input_range)] * len(shapes)
    else:
        known = [of_range(*span) for span in told if span is not None]
    pictures = all(len(shape) == 3 and shape[-1] == 3 for shape in shapes)
    if len(known) == len(shapes) and (pictures or input_range is not None):
        return known, softest(known)[1]
    likeliest, softness = infer_input_range(shapes, miss, seed)
    found = [likeliest] * len(shapes)
    if len(known) == len(shapes):
        least, soft = softest(known)
        if least < miss([c(u) for c, u in zip(found, noise_of(shapes, softness, seed), strict=True)]):
            return known, soft
    return found, softness


def _gradients(
    tapped: keras.Model, taps: Sequence[Tap], classifier: bool, deviations: Sequence[float]
) -> Callable[[list[Any], Any], list[Any]]:
    """The gradients of the whole sum; traced once for all batches."""

    @tf.function(reduce_retracing=True, autograph=False)
    def gradients(x: list[Any], labels: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            for part in x:
                tape.watch(part)
            values = keras.tree.flatten(tapped(feed(tapped, x), training=False))
            total = tf.add_n([unlikeliness(v, tap) for v, tap in zip(values, taps, strict=False)]) / len(taps)
            for part, deviation in zip(x, deviations, strict=True):
                if len(part.shape) == 4 and min(part.shape[1:3]) >= 2:
                    variation = tf.reduce_mean(tf.image.total_variation(part / deviation))
                    total += SMOOTHNESS * variation / (part.shape[1] * part.shape[2])
            if classifier:
                z = tf.reshape(values[len(taps)], (tf.shape(labels)[0], -1))
                total += BALANCE * tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, z))
        return tape.gradient(total, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    return gradients


def _deviation(convention: Convention) -> float:
    """Standard deviation of noise under a convention."""
    return float(0.22 * np.mean(np.abs(convention.high - convention.low)))


def _descend(
    x: list[Any],
    gradients: Callable[[], list[Any]],
    found: Sequence[Convention],
    bounds: Sequence[Convention | None],
    steps: int,
    advance: Callable[[], None],
) -> None:
    """A few dozen steps of Adam (Kingma & Ba 2015), each input in its own units, within its bounds."""
    optimizers = [keras.optimizers.Adam(beta_2=0.99, epsilon=1e-12) for _ in x]
    for step in range(1, steps + 1):
        slopes = gradients()
        for part, slope, optimizer, convention, bound in zip(x, slopes, optimizers, found, bounds, strict=True):
            optimizer.learning_rate = (
                STEP_SIZE * _deviation(convention) * 0.5 * (1 + np.cos(np.pi * step / (steps + 1)))
            )
            optimizer.apply([slope], [part])
            if bound is not None:
                part.assign(tf.clip_by_value(part, bound.low, bound.high))
        advance()
