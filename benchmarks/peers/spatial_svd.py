"""Spatial SVD with greedily chosen ratios, as AIMET describes it.

    K as a (k_h·c_in) × (k_w·c_out) matrix ≈ rank r:    vertical k_h×1 c_in→r · horizontal 1×k_w r→c_out

Ratios: every layer alone at 0.1 … 0.9 of its weights, scored; then the highest score at which the budget is met when
each layer takes its smallest ratio of at least that score. The score is the share of answers that stay the original's
on the inputs that were given (AIMET asks for an evaluation of its user's; without labels, this is the one there is);
given nothing, all layers get one ratio. Kernels without extent in one direction stay as they are. Jaderberg, Vedaldi &
Zisserman, "Speeding up convolutional neural networks with low rank expansions", 2014; AI Model Efficiency Toolkit,
user guide, "Greedy compression ratio selection" and "Spatial SVD", 2020.
"""

from __future__ import annotations

import numpy as np

from benchmarks.peers.bench import Answer, Bench
from benchmarks.peers.greedy import greedy
from benchmarks.peers.probe import Probe
from benchmarks.peers.split import split
from compiler.decompose.factors import Factors
from compiler.types import Choice, ConvSite


def spatial_svd(bench: Bench) -> Answer:
    def factors_of(site: ConvSite, choice: Choice) -> Factors:
        return separated(bench.kernel(site)[0], choice.ranks[1])

    score = None
    if bench.given:
        probe = Probe(bench)
        score = lambda site, choice: probe.agreement({site.name: factors_of(site, choice)})  # noqa: E731
    choices = greedy(bench, of_ratio, score)
    return split(bench, choices, {s.name: factors_of(s, choices[s.name]) for s in bench.sites if s.name in choices})


def of_ratio(site: ConvSite, ratio: float) -> Choice:
    """The rank that keeps `ratio` of the weights; dense where the kernel can't be separated."""
    k_h, k_w = site.kernel_size
    if min(k_h, k_w) == 1:
        return Choice()
    rank = max(1, int(ratio * site.weights / (k_h * site.c_in + k_w * site.c_out)))
    return Choice("tucker4", (site.c_in, min(rank, k_h * site.c_in, k_w * site.c_out), site.c_out))


def separated(kernel: np.ndarray, rank: int) -> Factors:
    """The nearest pair of factors of an HWIO kernel in the Frobenius norm."""
    k_h, k_w, c_in, c_out = kernel.shape
    matrix = kernel.transpose(0, 2, 1, 3).reshape(k_h * c_in, k_w * c_out)
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    root = np.sqrt(values[:rank])
    vertical = (left[:, :rank] * root).reshape(k_h, 1, c_in, rank)
    horizontal = (root[:, None] * right[:rank]).reshape(1, rank, k_w, c_out).transpose(0, 2, 1, 3)
    return Factors((("vertical", vertical), ("horizontal", np.ascontiguousarray(horizontal))))
