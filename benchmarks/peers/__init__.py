"""Methods that a user might pick instead, behind one interface, so that all of them meet the same network, images,
converter and evidence.

`METHODS` is the table of contents: name → `Method`. A method is a function from a `Bench` (benchmarks/peers/bench.py)
to an `Answer`: a Keras model that the bench turns into an int8 file. It keeps at most `bench.budget` of the stored
weight bytes, or raises `Infeasible` with the sentence that says why it can't. Importing this package imports nothing
heavy.

What `data` a method is given:

    nothing     the network alone. (The int8 converter has to see inputs in any case; it sees the synthetic ones.)
    synthetic   our synthetic inputs, made from the network alone
    real        512 real, unlabelled images, none of them among those that it is measured on

A method that looks at weights alone gets the one thing that every method can do with inputs, and that its users do:
each changed layer's bias takes up the mean error of its outputs (Nagel et al., "Data-free quantization through weight
equalization and bias correction", 2019).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

DATA = ("nothing", "synthetic", "real")
INPUTS = ("synthetic", "real")  # ours makes its inputs itself where it is given none


@dataclass(frozen=True, slots=True)
class Method:
    """`function` as "module:name"; `settings` are passed to it by name. `source` in a few words, for the tables."""

    function: str
    source: str
    data: tuple[str, ...] = DATA
    settings: tuple[tuple[str, Any], ...] = ()

    def load(self) -> Callable[..., Any]:
        module, _, name = self.function.partition(":")
        return getattr(importlib.import_module(module), name)


def ours(**settings: Any) -> Method:
    return Method("benchmarks.peers.ours:ours", "this compiler, default settings", INPUTS, tuple(settings.items()))


METHODS: dict[str, Method] = {
    "ours": ours(),
    "ours, unstructured": ours(pruning_structure="unstructured"),
    "ours, filter": ours(pruning_structure="filter"),
    "ours, channel": ours(pruning_structure="channel"),
    "ours, block": ours(pruning_structure="block"),
    "ours, low rank only": ours(compression_type="tucker"),
    "ours, four bits": ours(weight_bits=4),
    "tf-hybrid-pruning": Method("benchmarks.peers.tf_hybrid:tf_hybrid", "Poluektov 2023, from its README"),
    "Tucker-2, VBMF ranks": Method("benchmarks.peers.tucker_vbmf:tucker_vbmf", "Kim et al. 2016"),
    "Tucker-2, one ratio": Method("benchmarks.peers.tucker_ratio:tucker_ratio", "Kim et al. 2016, ranks by one ratio"),
    "activation-aware SVD": Method("benchmarks.peers.activation_svd:activation_svd", "Yuan et al. 2023"),
    "spatial SVD, greedy ratios": Method("benchmarks.peers.spatial_svd:spatial_svd", "AIMET 2020"),
    "magnitude pruning": Method("benchmarks.peers.magnitude:magnitude", "Han et al. 2015, one global threshold"),
    "filter norms": Method("benchmarks.peers.filter_norm:filter_norm", "Li et al. 2017"),
    "k-means of filters": Method("benchmarks.peers.kmeans_filters:kmeans_filters", "Ridurre 2019"),
    "neuron merging": Method("benchmarks.peers.neuron_merging:neuron_merging", "Kim et al. 2020"),
    "tensorflow-model-optimization": Method(
        "benchmarks.peers.elsewhere:tfmot_magnitude", "0.8.1 on tf-keras, magnitude"
    ),
    "model-compression-toolkit": Method("benchmarks.peers.elsewhere:mct_pruning", "2.6.1, structured pruning, torch"),
    "Torch-Pruning": Method("benchmarks.peers.elsewhere:torch_pruning", "1.6.1, converted network", ("nothing",)),
    "ai-edge-quantizer, int4": Method("benchmarks.peers.elsewhere:edge_quantizer", "0.10.0, kernels in 4 bits"),
}
