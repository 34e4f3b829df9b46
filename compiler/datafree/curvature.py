"""What the output feels: the Gauss-Newton curvature of the logits at every site's output.

    Γ = E[g gᵀ],   g = ∂⟨z, ε⟩/∂h,   ε ~ N(0, I), centred over the classes of a classifier

summed over output positions, averaged over inputs and probes: E_ε[g gᵀ] = Jᵀ P J with J = ∂z/∂h and P the centring,
the curvature of half the squared, centred change of the logits. A few probes an input are enough because the
average over inputs does most of the work (Hutchinson's estimator; Martens & Grosse 2015 for the factoring).
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from compiler.frontend.feed import feed
from compiler.types import Inventory

PROBES = 2


def curvature(
    logits: keras.Model,
    inputs: Sequence[np.ndarray],
    inventory: Inventory,
    *,
    classifier: bool,
    seed: int,
    batch: int = 64,
    probes: int = PROBES,
) -> dict[str, np.ndarray]:
    """Γ (c_out, c_out) of every site, over `inputs` (one array (n, …) per model input).

    `logits` is the network cut before its final softmax; sites it does not reach get Γ = 0.
    """
    names = [site.name for site in inventory.sites]
    taps = [
        node.outputs[0] for name in names for node in logits.get_layer(name)._inbound_nodes if belongs(node, logits)
    ]
    owners = [name for name in names for node in logits.get_layer(name)._inbound_nodes if belongs(node, logits)]
    tapped = keras.Model(logits.inputs, [*logits.outputs, *taps])
    outputs = len(logits.outputs)

    @tf.function(reduce_retracing=True, autograph=False)
    def outer_products(x: list[tf.Tensor], probe: list[tf.Tensor]) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            values = keras.tree.flatten(tapped(feed(tapped, x), training=False))
            for tap in values[outputs:]:
                tape.watch(tap)
            scalar = tf.add_n([tf.reduce_sum(z * e) for z, e in zip(values[:outputs], probe, strict=True)])
        gradients = tape.gradient(scalar, values[outputs:], unconnected_gradients="zero")
        flat = [tf.reshape(g, (-1, g.shape[-1])) for g in gradients]
        return [tf.matmul(g, g, transpose_a=True) for g in flat]

    random = np.random.default_rng(seed)
    gamma = {site.name: np.zeros((site.c_out, site.c_out), np.float64) for site in inventory.sites}
    n = len(inputs[0])
    for start in range(0, n, batch):
        x = [tf.constant(part[start : start + batch]) for part in inputs]
        for _ in range(probes):
            probe = [
                centred(random.standard_normal((len(x[0]), *z.shape[1:])).astype(np.float32), classifier)
                for z in logits.outputs
            ]
            for name, product in zip(owners, outer_products(x, probe), strict=True):
                gamma[name] += product.numpy()
    return {name: (total / (n * probes)).astype(np.float32) for name, total in gamma.items()}


def belongs(node: object, model: keras.Model) -> bool:
    """Whether a call of a layer is one of this model's (layers may serve several models)."""
    return any(node in nodes for nodes in model._nodes_by_depth.values())


def centred(probe: np.ndarray, classifier: bool) -> np.ndarray:
    """Adding a constant to all logits changes no answer, so a classifier's probes have none."""
    return probe - probe.mean(axis=-1, keepdims=True) if classifier else probe
