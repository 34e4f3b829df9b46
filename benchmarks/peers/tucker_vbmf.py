"""Tucker-2 with the ranks that variational Bayesian matrix factorisation finds in each layer's two unfoldings.

    r_in = EVBMF(K₍₃₎), r_out = EVBMF(K₍₄₎);    1×1 and Dense: r = EVBMF(K)

Kim et al., "Compression of deep convolutional neural networks for fast and low power mobile applications", 2016,
section 3.2. That is one point. To meet a budget above it, ranks are weakened: r + w (c − r) with one w for all layers,
the largest that keeps the budget (Gusak et al., "Automated multi-stage compression of neural networks", 2019, section
3.2); below it, all ranks are multiplied by one factor.
"""

from __future__ import annotations

import numpy as np

from benchmarks.peers.bench import Answer, Bench
from benchmarks.peers.evbmf import evbmf_rank
from benchmarks.peers.split import split
from benchmarks.peers.tucker_ratio import factors_of, of_ranks
from benchmarks.peers.within import saving, share, within
from compiler.types import Choice


def tucker_vbmf(bench: Bench) -> Answer:
    found = {site.name: ranks_of(bench.kernel(site)[0]) for site in bench.sites}

    def plan(knob: float) -> dict[str, Choice]:
        """At 1 the ranks as found, at 2 all channels, at 0 one of them."""
        choices = {}
        for site in bench.sites:
            pairs = zip(found[site.name], (site.c_in, site.c_out), strict=True)
            ranks = (r * knob if knob <= 1 else r + (knob - 1) * (channels - r) for r, channels in pairs)
            choices[site.name] = of_ranks(site, *ranks)
        return saving(bench, choices)

    own = share(bench, plan(1.0))
    choices = plan(within(lambda knob: share(bench, plan(knob)), bench.budget, high=2.0))
    note = f"the ranks of VBMF itself keep {100 * own:.0f} % of the stored weight bytes"
    return split(bench, choices, factors_of(bench, choices), (note,))


def ranks_of(kernel: np.ndarray) -> tuple[int, int]:
    """(r_in, r_out) of an HWIO kernel, 1 at least."""
    c_in, c_out = kernel.shape[2:]
    inputs = np.moveaxis(kernel, 2, 0).reshape(c_in, -1)
    return max(1, evbmf_rank(inputs)), max(1, evbmf_rank(kernel.reshape(-1, c_out)))
