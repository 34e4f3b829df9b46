"""Everything that the search has to know of a network, taken from inputs alone: metrics, means, curvatures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from compiler.datafree.curvature import curvature
from compiler.datafree.moments import moments
from compiler.decompose.metric import Metric, damped
from compiler.decompose.shrinkage import shrunk
from compiler.frontend.read_network import Network

HELD_OUT = 0.2  # share of the inputs that judge what the others taught


@dataclass(frozen=True, eq=False)
class Study:
    """`inputs` taught the metrics, `held_out` judges (one array (n, …) per model input each). `metrics`, `means` (μ of
    the patches) and `gamma` (raw Γ) are by site."""

    inputs: tuple[np.ndarray, ...]
    held_out: tuple[np.ndarray, ...]
    source: str
    metrics: dict[str, Metric]
    means: dict[str, np.ndarray]
    gamma: dict[str, np.ndarray]

    @property
    def calibration_hash(self) -> str:
        """SHA-256 of all inputs."""
        digest = hashlib.sha256()
        for part in (*self.inputs, *self.held_out):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()


def study(
    network: Network,
    inputs: Sequence[np.ndarray],
    source: str,
    seed: int,
    advance: Callable[[], None] = lambda: None,
) -> Study:
    """Split `inputs` (one array (n, …) per model input) and take the statistics of the larger part."""
    teaching, held_out = divided(inputs)
    seen = moments(network.folded, teaching, network.inventory, seed)
    advance()
    gamma = curvature(network.logits, teaching, network.inventory, classifier=network.classifier, seed=seed)
    advance()
    metrics = {
        site.name: Metric(damped(shrunk(seen[site.name].covariance, seen[site.name].chance)), damped(gamma[site.name]))
        for site in network.inventory.sites
    }
    means = {name: m.mean for name, m in seen.items()}
    return Study(teaching, held_out, source, metrics, means, gamma)


def divided(inputs: Sequence[np.ndarray]) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """(inputs that teach, inputs that judge); a lone one does both."""
    n = len(inputs[0])
    taught = max(1, min(n - 1, round((1 - HELD_OUT) * n)))
    return tuple(x[:taught] for x in inputs), tuple(x[taught:] if n > 1 else x for x in inputs)
