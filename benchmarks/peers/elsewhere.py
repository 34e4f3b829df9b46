"""Methods of packages that have an environment of their own: the network goes there as a graph and arrays, and what the
package makes of it comes back as arrays.

    python -m venv out/peers/venv
    out/peers/venv/bin/python -m pip install --requirement benchmarks/requirements-peers.txt

(or the interpreter that `PEERS_PYTHON` names). `benchmarks/peers/packages/` holds what runs there, a file a package; it
imports nothing of this repository. Each is called with a folder in which it finds

    graph.json     {"nodes": [{"name", "type", "config", "inputs", "shape"}], "outputs": […], "budget", "data"}
    weights.npz    "<layer>/<index>": the layer's arrays, as Keras has them (HWIO)
    inputs.npz     "x": inputs (n, …); absent where the method is given nothing

and leaves `made.npz` (arrays as in weights.npz, or "<layer>/kept": filters that stay), `made.tflite`, or `error.txt`.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.peers.bench import Answer, Bench
from benchmarks.peers.removable import removable
from benchmarks.peers.remove_filters import narrowed, pruned
from benchmarks.peers.split import split
from benchmarks.peers.within import saving
from compiler.decompose.factors import Factors
from compiler.errors import BadInput, Infeasible
from compiler.frontend.fold_batchnorm import fold_batchnorm
from compiler.frontend.graph import calls
from compiler.frontend.rebuild import copy_of, rebuild
from compiler.types import Choice

PACKAGES = Path(__file__).resolve().parent / "packages"
PYTHON = Path(__file__).resolve().parents[2] / "out" / "peers" / "venv" / "bin" / "python"


def tfmot_magnitude(bench: Bench) -> Answer:
    """tensorflow-model-optimization's `prune_low_magnitude` at one constant sparsity, in a step that learns nothing."""
    made = sent(bench, "tfmot_magnitude.py", bench.network.folded)
    kernels = {s.name: made[f"{s.name}/0"].reshape(s.kernel_shape) for s in bench.sites if f"{s.name}/0" in made}
    counts = {name: int(np.count_nonzero(kernel)) for name, kernel in kernels.items()}
    choices = saving(bench, {n: Choice("none", (), "unstructured", None, max(1, c)) for n, c in counts.items()})
    return split(bench, choices, {name: Factors((), kernels[name]) for name in choices})


def mct_pruning(bench: Bench) -> Answer:
    """model-compression-toolkit's structured pruning: which filters stay is its decision, taking them out ours."""
    made = sent(bench, "mct_pruning.py", bench.network.normal)
    ways = removable(bench.network.folded, bench.network.inventory)
    kept = {name.removesuffix("/kept"): indices for name, indices in made.items() if name.endswith("/kept")}
    foreign = sorted(set(kept) - set(ways))
    if foreign:
        raise BadInput(f"it removes filters of {foreign[0]}, whose channels meet others in an Add.")
    chosen = {name: pruned(bench.network.inventory.site(name).c_out, indices) for name, indices in kept.items()}
    return Answer(narrowed(bench, ways, chosen))


def torch_pruning(bench: Bench) -> Answer:
    """Torch-Pruning's group magnitude pruning, through residual adds too: the pruned weights in the same graph."""
    made = sent(bench, "torch_pruning_.py", bench.network.normal)
    names = {name.rpartition("/")[0] for name in made}
    arrays = {name: [made[f"{name}/{i}"] for i in range(len(made)) if f"{name}/{i}" in made] for name in names}
    copies = {}
    for name, own in arrays.items():
        layer = bench.network.normal.get_layer(name)
        sizes = {"Conv2D": "filters", "Dense": "units"}.get(type(layer).__name__)
        copies[name] = copy_of(layer, **({sizes: own[0].shape[-1]} if sizes else {}))
    narrow = rebuild(bench.network.normal, copies)
    for name, own in arrays.items():
        copies[name].set_weights(own)
    return Answer(fold_batchnorm(narrow))


def edge_quantizer(bench: Bench) -> Answer:
    """ai-edge-quantizer: no structure is sought, kernels are stored in 4 bits; the file is its own."""
    with tempfile.TemporaryDirectory() as folder:
        float_file(bench.network.folded, Path(folder) / "float.tflite")
        run(bench, "edge_quantizer.py", bench.network.folded, Path(folder))
        return Answer(bench.network.folded, tflite=(Path(folder) / "made.tflite").read_bytes())


def float_file(model: keras.Model, path: Path) -> None:
    """The network as a float TFLite file, as the package takes it."""
    import tensorflow as tf

    spec = [tf.TensorSpec((1, *t.shape[1:]), t.dtype, name=f"input_{i}") for i, t in enumerate(model.inputs)]
    owner = tf.Module()  # Keras' own tracking of its variables is invisible to the converter
    owner.owned = [variable.value for variable in model.variables]
    owner.serve = tf.function(
        lambda *x: {"output": model(x[0] if len(x) == 1 else list(x), training=False)}, input_signature=spec
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([owner.serve.get_concrete_function()], owner)
    path.write_bytes(converter.convert())


def sent(bench: Bench, script: str, model: keras.Model) -> dict[str, np.ndarray]:
    """What the package makes of the network."""
    with tempfile.TemporaryDirectory() as folder:
        run(bench, script, model, Path(folder))
        with np.load(Path(folder) / "made.npz") as made:
            return {name: made[name] for name in made.files}


def run(bench: Bench, script: str, model: keras.Model, folder: Path) -> None:
    """Raises BadInput, or Infeasible, with the package's last words."""
    python = Path(os.environ.get("PEERS_PYTHON", PYTHON))
    if not python.exists():
        raise BadInput("its environment is not there; make it from benchmarks/requirements-peers.txt.")
    nodes, outputs = graph_of(model)
    said = {"nodes": nodes, "outputs": outputs, "budget": bench.budget, "data": bench.data}
    (folder / "graph.json").write_text(json.dumps(said, default=str))
    arrays = {f"{layer.name}/{i}": w for layer in model.layers for i, w in enumerate(layer.get_weights())}
    np.savez(folder / "weights.npz", **arrays)
    if bench.given:
        np.savez(folder / "inputs.npz", x=bench.inputs[0])
    done = subprocess.run([str(python), str(PACKAGES / script), str(folder)], capture_output=True, text=True)
    error = folder / "error.txt"
    if error.exists():
        raise Infeasible(error.read_text().strip())
    if done.returncode != 0:
        words = [line for line in done.stderr.strip().splitlines() if line.strip()] or ["no message"]
        raise BadInput(words[-1])


def graph_of(model: keras.Model) -> tuple[list[dict[str, Any]], list[str]]:
    """Nodes in order, named by their operations, and the names of the outputs. Raises BadInput for shared layers."""
    names = {id(t): t.name for t in model.inputs}
    nodes: list[dict[str, Any]] = [
        {"name": t.name, "type": "InputLayer", "config": {}, "inputs": [], "shape": t.shape[1:]} for t in model.inputs
    ]
    for call in calls(model):
        if len(call.outputs) != 1 or call.name in names.values():
            raise BadInput(f"'{call.name}' is applied twice or has several outputs, which is not translated.")
        names[id(call.outputs[0])] = call.name
        config = {**call.operation.get_config(), **{k: v for k, v in call.kwargs.items() if v is not None}}
        nodes.append(
            {
                "name": call.name,
                "type": type(call.operation).__name__,
                "config": config,
                "inputs": [names[id(t)] for t in call.inputs],
                "shape": call.outputs[0].shape[1:],
            }
        )
    return nodes, [names[id(t)] for t in model.outputs]
