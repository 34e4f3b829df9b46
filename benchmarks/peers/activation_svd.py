"""Activation-aware SVD: inputs that are loud count for more when a kernel is cut to rank r.

    K ≈ D⁻¹ [D K]_r,    D = diag(E|x_i|^α), α = ½, x_i: input channel i;     k×k c_in→r · 1×1 r→c_out

[·]_r is the nearest matrix of rank r. Ranks by sensitivity: each layer alone at 0.1 … 0.9 of its weights, the relative
change of the outputs measured, and one bound on it for all layers, the least that keeps the budget. Given nothing, D =
I and all layers get one ratio: plain SVD. Yuan et al., "ASVD: activation-aware singular value decomposition for
compressing large language models", 2023 (there of linear layers; of convolutions here, by their patches).
"""

from __future__ import annotations

import numpy as np

from benchmarks.peers.bench import Answer, Bench
from benchmarks.peers.greedy import greedy
from benchmarks.peers.probe import Probe
from benchmarks.peers.split import split
from compiler.decompose.factors import Factors
from compiler.types import Choice, ConvSite

ALPHA = 0.5


def activation_svd(bench: Bench) -> Answer:
    def factors_of(site: ConvSite, choice: Choice) -> Factors:
        loudness = bench.seen[site.name].loudness if bench.given else np.ones(site.c_in, np.float32)
        return cut(bench.kernel(site)[0], choice.ranks[-1], scales(loudness))

    score = None
    if bench.given:
        probe = Probe(bench)
        score = lambda site, choice: -probe.change({site.name: factors_of(site, choice)})  # noqa: E731
    choices = greedy(bench, of_ratio, score)
    return split(bench, choices, {s.name: factors_of(s, choices[s.name]) for s in bench.sites if s.name in choices})


def of_ratio(site: ConvSite, ratio: float) -> Choice:
    """The rank that keeps `ratio` of the weights."""
    rank = max(1, int(ratio * site.weights / (site.weights // site.c_out + site.c_out)))
    if site.kernel_size == (1, 1):
        return Choice("svd", (min(rank, site.c_in, site.c_out),))
    return Choice("tucker2", (site.c_in, rank)) if rank < site.c_out else Choice()


def scales(loudness: np.ndarray) -> np.ndarray:
    """D's diagonal (c_in,), silent channels as loud as a hundredth of the mean."""
    return np.maximum(loudness, 0.01 * float(loudness.mean()) + 1e-12) ** ALPHA


def cut(kernel: np.ndarray, rank: int, scale: np.ndarray) -> Factors:
    """The two factors of an HWIO kernel; `scale` (c_in,)."""
    k_h, k_w, c_in, c_out = kernel.shape
    left, values, right = np.linalg.svd((kernel * scale[:, None]).reshape(-1, c_out), full_matrices=False)
    root = np.sqrt(values[:rank])
    first = (left[:, :rank] * root).reshape(k_h, k_w, c_in, rank) / scale[:, None]
    role = "first" if (k_h, k_w) == (1, 1) else "core"
    return Factors(((role, first.astype(np.float32)), ("last", (root[:, None] * right[:rank])[None, None])))
