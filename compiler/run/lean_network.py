"""The network that is compressed: the one that was given, less the channels whose value no input changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from compiler.backend.targets.target import Target
from compiler.frontend.inventory import inventory
from compiler.frontend.logits import logits_model
from compiler.frontend.read_network import Network
from compiler.surgery.drop_constant_channels import drop_constant_channels
from compiler.surgery.set_kernels import kernel_of


def lean_network(network: Network, target: Target, exclude: str | None) -> Network:
    """`network` with `folded`, `logits` and `inventory` of the narrower network; layers that `exclude` names keep their
    shape, and on the target's grid of channels a few constants stay. `network` itself where nothing can go."""
    named = f"--exclude {exclude} names it"
    keep = frozenset(left.name for left in network.inventory.left if left.reason == named)
    lean = drop_constant_channels(network.folded, keep=keep, grid=lambda channels: target.rank_grid("r_out", channels))
    if lean is network.folded:
        return network
    own = {site.name: site.use_bias for site in network.inventory.sites}
    found = inventory(lean, exclude)
    sites = (
        replace(site, use_bias=own[site.name] or bool(np.any(kernel_of(lean, site.name)[1]))) for site in found.sites
    )
    return replace(network, folded=lean, logits=logits_model(lean)[0], inventory=replace(found, sites=tuple(sites)))
