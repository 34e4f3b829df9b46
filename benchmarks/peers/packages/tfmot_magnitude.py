"""tensorflow-model-optimization on tf-keras: `prune_low_magnitude` with one constant sparsity for every layer.

Its pruning happens while a model trains; here it "trains" one step at a learning rate of 0, since there are no labels.
The sparsity follows from what a kept weight costs in TFLite's sparse encoding, about 2 B; the row's own correction does
the rest.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow_model_optimization as tfmot
import tf_keras as keras

sparsity = tfmot.sparsity.keras
BYTES = 2.1  # of a kept weight, value and index


def built(said: dict, weights: dict[str, np.ndarray]) -> keras.Model:
    """The graph in tf-keras, its Conv2D and Dense layers under their names."""
    values = {}
    for node in said["nodes"]:
        config, given = node["config"], [values[i] for i in node["inputs"]]
        kind, name = node["type"], node["name"]
        if kind == "InputLayer":
            values[name] = keras.Input(node["shape"], name=name)
            continue
        if kind == "Add":
            values[name] = keras.layers.Add(name=name)(given)
            continue
        if kind == "Pad":
            import tensorflow as tf

            values[name] = keras.layers.Lambda(lambda x, w=config["pad_width"]: tf.pad(x, w), name=name)(given[0])
            continue
        layer_type = getattr(keras.layers, kind, None)
        if layer_type is None:
            sys.exit(f"'{name}' is a {kind}, which tf-keras has no layer for.")
        known = {k: config[k] for k in KEYS if k in config and config[k] is not None}
        layer = layer_type(name=name, **known)
        values[name] = layer(given[0])
        own = [weights[f"{name}/{i}"] for i in range(9) if f"{name}/{i}" in weights]
        layer.set_weights(own)
    return keras.Model(
        [values[n["name"]] for n in said["nodes"] if n["type"] == "InputLayer"], [values[o] for o in said["outputs"]]
    )


KEYS = (
    "filters", "units", "kernel_size", "strides", "padding", "dilation_rate", "use_bias", "activation", "pool_size",
    "max_value", "epsilon", "keepdims", "depth_multiplier", "scale", "offset", "target_shape", "rate",
)  # fmt: skip


def main() -> None:
    folder = Path(sys.argv[1])
    said = json.loads((folder / "graph.json").read_text())
    with np.load(folder / "weights.npz") as stored:
        weights = {name: stored[name] for name in stored.files}
    model = built(said, weights)
    convs = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D) and "Depth" not in str(layer)]
    prunable = sum(layer.kernel.shape.num_elements() for layer in convs)
    others = sum(w.size for w in weights.values()) - prunable
    whole = prunable + others
    density = (said["budget"] * whole - others) / (BYTES * prunable)
    if density <= 0:
        (folder / "error.txt").write_text("its convolutions alone can't be pruned to the budget.")
        return
    schedule = sparsity.ConstantSparsity(max(0.0, 1 - density), begin_step=0, end_step=-1, frequency=1)

    def wrap(layer: keras.layers.Layer) -> keras.layers.Layer:
        return sparsity.prune_low_magnitude(layer, pruning_schedule=schedule) if layer in convs else layer

    wrapped = keras.models.clone_model(model, clone_function=wrap)
    wrapped.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse")
    x = np.zeros((1, *model.inputs[0].shape[1:]), np.float32)
    wrapped.fit(x, model.predict(x, verbose=0), epochs=1, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
    bare = sparsity.strip_pruning(wrapped)
    names = {layer.name for layer in convs}
    np.savez(folder / "made.npz", **{f"{la.name}/0": la.get_weights()[0] for la in bare.layers if la.name in names})


main()
