"""Inputs made from the network alone: batches under which every BatchNorm sees what it remembers.

    minimise  mean_l KL( N(m_l, s_l²) ‖ N(μ_l, σ_l²) ) + τ TV(x) [+ κ CE(z, balanced labels)]

m, s² are the batch's mean and variance per channel at the input of BatchNorm l, and μ, σ² its running ones (ZeroQ, Cai
et al. 2020; DeepInversion, Yin et al. 2020). Batches start as natural noise in the network's own units and take a few
dozen steps of Adam (Kingma & Ba 2015), annealed; where they don't match by then, further rounds follow, each as long as
all before it (inputs that are no pictures, such as spectra, have farther to go).

A network without BatchNorm remembers nothing: there priors take the memories' place (`match_activations`), and the
report says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from compiler.datafree.input_range import Convention, infer_input_range, of_range
from compiler.datafree.match_activations import match_activations
from compiler.datafree.natural_noise import natural_noise
from compiler.frontend.feed import feed
from compiler.frontend.graph import calls
from compiler.frontend.import_tflite import Quantized
from compiler.types import Span

BATCH = 128
STEPS = 60
STEP_SIZE = 0.12  # of the inputs' standard deviation, annealed to zero
SMOOTHNESS = 0.02  # τ, for inputs of unit standard deviation
MATCHED = 0.02  # mean KL in nats a channel: below this more steps change nothing that shows in the metric
BALANCE = 0.01  # κ: at 0.05 it kept batches from matching (mean KL 0.30 against 0.03 on a ResNet-32)


@dataclass(frozen=True, eq=False)
class Synthetic:
    """`inputs`: one float32 array (n, …) per model input; `source`: how they came about, for the report; `spans`: of
    each, the lowest and the highest value that it may have in use, None where that is not known."""

    inputs: tuple[np.ndarray, ...]
    source: str
    mismatch: float  # mean KL (nats a channel) over the BatchNorms at the end; nan where there are none
    spans: tuple[Span | None, ...]


def synthesize(
    model: keras.Model,
    logits: keras.Model,
    n: int,
    *,
    seed: int,
    classifier: bool,
    input_range: tuple[float, float] | None = None,
    quantized: Quantized | None = None,
    steps: int = STEPS,
    most_steps: int | None = None,
    batch: int = BATCH,
    advance: Callable[[], None] = lambda: None,
) -> Synthetic:
    """`n` inputs (rounded up to whole batches) for `model`, the normal form with its BatchNorms in place; `logits` is
    the same network cut before its final softmax. `quantized`: what the network's file tells, if it was an int8 one.
    `steps` are taken first, and up to `most_steps` (default: no more) until the batch matches."""
    taps, memories = batchnorm_memories(model)
    if not taps:
        found, source, spans = match_activations(
            model,
            logits,
            n,
            seed=seed,
            classifier=classifier,
            input_range=input_range,
            quantized=quantized,
            steps=steps,
            batch=batch,
            advance=advance,
        )
        return Synthetic(found, source, float("nan"), spans)
    shapes = [tuple(int(s) for s in tensor.shape[1:]) for tensor in model.inputs]
    tapped = keras.Model(model.inputs, [*taps, *logits_on(model, logits)])
    make = Maker(tapped, memories, classifier)
    classes = int(logits.outputs[0].shape[-1] or 1)
    softness = 0.0
    if input_range:
        convention = of_range(*input_range)
    else:
        probe = keras.Model(model.inputs, taps)
        convention, softness = infer_input_range(
            shapes, lambda x: mean_divergence(keras.tree.flatten(probe(feed(probe, x))), memories), seed
        )
    source = f"matched to {len(taps)} BatchNorms, inputs {convention.name}"
    batches, mismatch = [], []
    for index in range(-(-n // batch)):
        random = np.random.default_rng([seed, index])
        noise = [natural_noise(batch, shape, random, softness) for shape in shapes]
        labels = random.permutation(np.arange(batch) % classes)
        inputs, last = make(convention, steps, most_steps or steps, noise, labels, advance)
        batches.append(inputs)
        mismatch.append(last)
    joined = tuple(np.concatenate(parts) for parts in zip(*batches, strict=True))
    final = float(np.mean(mismatch))
    return Synthetic(joined, f"{len(joined[0])} synthetic inputs, {source}", final, (convention.span,) * len(joined))


def logits_on(model: keras.Model, logits: keras.Model) -> list[Any]:
    """The logits' tensors of `logits`, which is a view on `model`'s own graph."""
    return list(logits.outputs)


def batchnorm_memories(model: keras.Model) -> tuple[list[Any], list[tuple[np.ndarray, np.ndarray]]]:
    """(input tensor, (running mean, running variance)) of every BatchNorm over the last axis, in graph order."""
    taps, memories = [], []
    for call in calls(model):
        layer = call.operation
        if isinstance(layer, keras.layers.BatchNormalization) and layer.axis in (-1, len(call.inputs[0].shape) - 1):
            taps.append(call.inputs[0])
            memories.append((np.asarray(layer.moving_mean), np.asarray(layer.moving_variance) + layer.epsilon))
    return taps, memories


def divergence(values: Any, mean: np.ndarray, variance: np.ndarray) -> Any:
    """Mean over channels of KL(N(m, s²) ‖ N(μ, σ²)), clipped so that one dead channel can't rule."""
    axes = list(range(len(values.shape) - 1))
    m, s2 = tf.nn.moments(values, axes)
    ratio = (s2 + 1e-3 * variance) / variance
    return tf.reduce_mean(0.5 * (ratio - 1.0 - tf.math.log(ratio) + (m - mean) ** 2 / variance))


def mean_divergence(values: Sequence[Any], memories: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Mean over BatchNorms of the logarithm of their divergence, so that each has a say."""
    each = [float(divergence(v, mean, variance)) for v, (mean, variance) in zip(values, memories, strict=True)]
    return float(np.mean(np.log(np.maximum(each, 1e-6))))


class Maker:
    """Turns starting batches into matched ones; the graph is traced once for all batches of a size."""

    def __init__(
        self, tapped: keras.Model, memories: Sequence[tuple[np.ndarray, np.ndarray]], classifier: bool
    ) -> None:
        count = len(memories)

        @tf.function(autograph=False)
        def gradients(x: list[tf.Tensor], labels: tf.Tensor, spread: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor]:
            with tf.GradientTape() as tape:
                for part in x:
                    tape.watch(part)
                values = keras.tree.flatten(tapped(feed(tapped, x), training=False))
                terms = [divergence(v, mu, var) for v, (mu, var) in zip(values[:count], memories, strict=True)]
                mismatch = tf.add_n(terms) / count
                total = mismatch
                for part in x:
                    if len(part.shape) == 4 and min(part.shape[1:3]) >= 2:
                        total += (
                            SMOOTHNESS
                            * tf.reduce_mean(tf.image.total_variation(part / spread))
                            / (part.shape[1] * part.shape[2])
                        )
                if classifier:
                    z = tf.reshape(values[count], (tf.shape(labels)[0], -1))
                    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, z)
                    total += BALANCE * tf.reduce_mean(entropy)
            return tape.gradient(total, x), mismatch

        self.gradients = gradients

    def __call__(
        self,
        convention: Convention,
        steps: int,
        most: int,
        noise: list[np.ndarray],
        labels: np.ndarray,
        advance: Callable[[], None] = lambda: None,
    ) -> tuple[list[np.ndarray], float]:
        """(inputs made of `noise` in 0..1, their mismatch: mean KL over the BatchNorms): `steps` steps, and rounds of
        as many as there were so far until they match or there were `most`."""
        x, mismatch = self.anneal([convention(part) for part in noise], convention, steps, labels, advance)
        taken = steps
        while mismatch > MATCHED and 2 * taken <= most:
            x, mismatch = self.anneal(x, convention, taken, labels, advance)
            taken *= 2
        for _ in range(most - taken):
            advance()
        return [part.astype(np.float32) for part in x], mismatch

    def anneal(
        self,
        x: list[np.ndarray],
        convention: Convention,
        steps: int,
        labels: np.ndarray,
        advance: Callable[[], None],
    ) -> tuple[list[np.ndarray], float]:
        """(`x` after `steps` steps that shrink to nothing, the last mismatch)."""
        spread = float(0.22 * np.mean(np.abs(convention.high - convention.low)))
        x = list(x)
        first = [np.zeros_like(part) for part in x]
        second = [np.zeros_like(part) for part in x]
        targets = tf.constant(labels.astype(np.int32))
        mismatch = float("nan")
        for step in range(1, steps + 1):
            slopes, value = self.gradients([tf.constant(part) for part in x], targets, tf.constant(spread))
            mismatch = float(value)
            rate = float(STEP_SIZE * spread * 0.5 * (1 + np.cos(np.pi * step / (steps + 1))))
            for i, slope in enumerate(slopes):
                if slope is None:
                    continue
                g = slope.numpy()
                first[i] = 0.9 * first[i] + 0.1 * g
                second[i] = 0.99 * second[i] + 0.01 * g * g
                unbiased = first[i] / (1 - 0.9**step)
                x[i] = x[i] - rate * unbiased / (np.sqrt(second[i] / (1 - 0.99**step)) + 1e-12)
                if convention.bounded:
                    x[i] = np.clip(x[i], convention.low, convention.high)
            advance()
        return x, mismatch
