"""Factors of some sites → the answer, by the compiler's own surgery; the others stay as they are.

Where a method was given inputs, b' = b + (K − K̂)ᵀ μ: the bias takes up the mean error.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.peers.bench import Answer, Bench
from compiler.decompose.equalise import equalise
from compiler.decompose.factors import Factors
from compiler.run.session import blocks_of
from compiler.surgery.split_convs import split_convs
from compiler.types import DENSE, Choice


def split(
    bench: Bench, choices: Mapping[str, Choice], factors: Mapping[str, Factors], notes: tuple[str, ...] = ()
) -> Answer:
    """`choices` and `factors` name the sites that change. The channels between factors are made equally loud, as seen
    by inputs that are all alike, so that no method suffers from a gauge that float doesn't feel but int8 does."""
    fitted: dict[str, tuple[Factors, np.ndarray]] = {}
    for site in bench.sites:
        if site.name not in factors:
            continue
        kernel, bias = bench.kernel(site)
        own = equalise(factors[site.name], np.eye(site.weights // site.c_out, dtype=np.float32))
        if bench.given:
            bias = bias + bench.seen[site.name].mean @ (kernel - own.reconstruct()).reshape(-1, site.c_out)
        fitted[site.name] = own, bias.astype(np.float32)
    network = bench.network
    model = split_convs(network.folded, fitted, choices, network.inventory, bench.session.target)
    everything = tuple((site.name, choices.get(site.name, DENSE)) for site in bench.sites)
    return Answer(model, blocks_of(everything), notes)
