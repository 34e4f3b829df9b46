"""Plain Tucker-2: both ranks of every layer the same share of its channels.

    K ≈ G ×₃ U ×₄ V, least ‖K − K̂‖ (HOOI);    r_in = ρ c_in, r_out = ρ c_out
    1×1 and Dense: SVD, r = ρ min(c_in, c_out)

ρ is the largest that keeps the budget; a layer that its factors would make larger stays. Kim et al., "Compression of
deep convolutional neural networks for fast and low power mobile applications", 2016; HOOI by TensorLy.
"""

from __future__ import annotations

import warnings

import numpy as np
from tensorly.decomposition import partial_tucker

from benchmarks.peers.bench import Answer, Bench
from benchmarks.peers.split import split
from benchmarks.peers.within import saving, share, within
from compiler.decompose.factors import Factors
from compiler.decompose.tucker2 import assemble
from compiler.types import Choice, ConvSite


def tucker_ratio(bench: Bench) -> Answer:
    def plan(ratio: float) -> dict[str, Choice]:
        return saving(bench, {s.name: of_ranks(s, ratio * s.c_in, ratio * s.c_out) for s in bench.sites})

    choices = plan(within(lambda ratio: share(bench, plan(ratio)), bench.budget))
    return split(bench, choices, factors_of(bench, choices))


def of_ranks(site: ConvSite, r_in: float, r_out: float) -> Choice:
    """The choice of the nearest whole ranks; of a 1×1 kernel, the smaller of the two."""
    ranks = (min(site.c_in, max(1, round(r_in))), min(site.c_out, max(1, round(r_out))))
    if site.kernel_size == (1, 1):
        return Choice("svd", (min(ranks),))
    return Choice() if ranks == (site.c_in, site.c_out) else Choice("tucker2", ranks)


def factors_of(bench: Bench, choices: dict[str, Choice]) -> dict[str, Factors]:
    """The nearest factors in the Frobenius norm."""
    kernels = {site.name: bench.kernel(site)[0] for site in bench.sites if site.name in choices}
    return {name: nearest(kernel, choices[name]) for name, kernel in kernels.items()}


def nearest(kernel: np.ndarray, choice: Choice) -> Factors:
    """Factors of an HWIO kernel for a "svd" or "tucker2" choice."""
    if choice.chain == "svd":
        return truncated(kernel[0, 0], choice.ranks[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        (core, (first, last)), _ = partial_tucker(kernel, rank=list(choice.ranks), modes=[2, 3], init="svd")
    return assemble(first, core, last.T)


def truncated(matrix: np.ndarray, rank: int) -> Factors:
    """The leading singular triples of a (c_in, c_out) matrix as two 1×1 factors."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    root = np.sqrt(values[:rank])
    return Factors(
        (("first", (left[:, :rank] * root)[None, None]), ("last", (root[:, None] * right[:rank])[None, None]))
    )
