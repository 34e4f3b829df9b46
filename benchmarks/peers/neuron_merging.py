"""Neuron merging: a filter that goes is made up for by the most similar one that stays.

    pre-activation j ≈ s·pre-activation i,  s = ‖K_j‖/‖K_i‖      so behind a ReLU   K'[:, :, i] += s·K[:, :, j]
    i: the kept filter of least   λ (1 − cos(K_i, K_j)) + (1 − λ) |b_j − s b_i| / max |b_j − s b_i|,   if cos > t

The filters of largest ℓ1 norm stay, one ratio for all layers; λ = 0.85, t = 0.1. Where something on the way does not
let a positive factor through (a depthwise convolution, ReLU6), filters are pruned and not merged. Kim, Kim, Park &
Jeon, "Neuron merging: compensating for pruned neurons", NeurIPS 2020, algorithms 2 and 3 (BatchNorm is folded here, so
its shift is in b).
"""

from __future__ import annotations

import numpy as np

from benchmarks.peers.bench import Answer, Bench
from benchmarks.peers.filter_norm import loudest
from benchmarks.peers.removable import Removable
from benchmarks.peers.remove_filters import Kept, remove_filters

LAMBDA, THRESHOLD = 0.85, 0.1


def neuron_merging(bench: Bench) -> Answer:
    return remove_filters(bench, merged)


def merged(kernel: np.ndarray, bias: np.ndarray, count: int, way: Removable) -> Kept:
    """The loudest `count` filters, and for each other one its stand-in, if there is one."""
    kept = loudest(kernel, bias, count, way)
    if not way.scales:
        return kept
    filters = kernel.reshape(-1, kernel.shape[3]).T
    norms = np.linalg.norm(filters, axis=1) + 1e-30
    stand_in = kept.stand_in.copy()
    for j in np.setdiff1d(np.arange(len(filters)), kept.indices):
        cosine = (filters[kept.indices] @ filters[j]) / (norms[kept.indices] * norms[j])
        scale = norms[j] / norms[kept.indices]
        shift = np.abs(bias[j] - scale * bias[kept.indices])
        distance = LAMBDA * (1 - cosine) + (1 - LAMBDA) * shift / (float(shift.max()) or 1.0)
        best = int(np.argmin(np.where(cosine > THRESHOLD, distance, np.inf)))
        if cosine[best] > THRESHOLD:
            stand_in[j, kept.indices[best]] = scale[best]
    return Kept(kept.indices, stand_in)
