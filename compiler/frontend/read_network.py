"""File or model in memory → the network in the forms that the compiler works on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import keras

from compiler.errors import BadInput
from compiler.frontend.as_functional import as_functional
from compiler.frontend.fold_batchnorm import fold_batchnorm
from compiler.frontend.import_tflite import Imported, Quantized
from compiler.frontend.inventory import excluded_by, inventory
from compiler.frontend.load import load_with_ranges
from compiler.frontend.logits import logits_model
from compiler.frontend.reload import reload
from compiler.frontend.silence import silence
from compiler.frontend.with_biases import with_biases
from compiler.types import Inventory


@dataclass(frozen=True, eq=False)
class Network:
    """`normal`: flat and linear, BatchNorms in place. `whole`: BatchNorm folded, every site with a bias. `folded`: what
    is compressed, `whole` or a narrower network that computes the same (`run/lean_network.py`). `logits` and
    `normal_logits`: views on `folded` and `normal`, cut before a final softmax. `hash`: of graph and weights.
    `quantized`: what the file told of its makers' data, where it was an int8 .tflite. `borders`: names of the inputs,
    and of the layers that make the outputs, as the network had them."""

    normal: keras.Model
    normal_logits: keras.Model
    whole: keras.Model
    folded: keras.Model
    logits: keras.Model
    inventory: Inventory
    classifier: bool
    hash: str
    quantized: Quantized | None = None
    borders: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    @property
    def input_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of one example, for each input."""
        return tuple(tuple(int(s) for s in tensor.shape[1:]) for tensor in self.normal.inputs)

    @property
    def ends_in_probabilities(self) -> bool:
        """Its first output is that of a softmax or sigmoid; else only labels tell classes from quantities."""
        return self.normal.outputs[0] is not self.normal_logits.outputs[0]

    @property
    def classes(self) -> int | None:
        """Number of classes; None where the network is no classifier."""
        return int(self.logits.outputs[0].shape[-1]) if self.classifier else None


def read_network(
    source: Path | keras.Model, *, model_name: str | None, input_shape: tuple[int, ...] | None, exclude: str | None
) -> Network:
    """Bring a file or a model in memory into normal form. Raises BadInput or UnsupportedModel in one sentence."""
    if isinstance(source, Path):
        loaded = load_with_ranges(source, model_name=model_name, input_shape=input_shape)
    else:
        loaded = Imported(reload(source, input_shape=input_shape), None)
    normal = as_functional(loaded.model)
    normal_logits, classifier = logits_model(normal)
    folded = fold_batchnorm(normal)
    found = inventory(folded, exclude)
    if not found.sites:
        reasons = f" ({found.left[0].name}: {found.left[0].reason})" if found.left else ""
        excluded = any(left.reason == excluded_by(exclude) for left in found.left)
        mend = "let --exclude name fewer layers" if excluded else "choose another network"
        raise BadInput(f"'{source.name}' has no Conv2D or Dense that could be compressed{reasons}; {mend}.")
    biased = with_biases(folded, found)
    silence(biased, found)
    logits = logits_model(biased)[0]
    borders = (
        tuple(tensor.name for tensor in loaded.model.inputs),
        tuple(tensor._keras_history.operation.name for tensor in loaded.model.outputs),
    )
    digest = hash_of(normal)
    return Network(normal, normal_logits, biased, biased, logits, found, classifier, digest, loaded.quantized, borders)


def hash_of(model: keras.Model) -> str:
    """SHA-256 over the graph's configuration and all weights."""
    digest = hashlib.sha256(model.to_json().encode())
    for weight in model.get_weights():
        digest.update(weight.tobytes())
    return digest.hexdigest()
