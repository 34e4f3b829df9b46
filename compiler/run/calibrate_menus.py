"""Each site's predictions brought to scale by one measurement.

The metric takes errors at different positions for independent and the rest of the network for linear; by how much
that is off depends on the layer more than on the choice. So one candidate of each site, of about half its price, is
put into the otherwise original network, the change of the logits on held-out inputs is measured, and all predicted
losses of the site are multiplied by measured ÷ predicted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from compiler.datafree.study import Study
from compiler.decompose.fit import fit
from compiler.frontend.read_network import Network
from compiler.surgery.realise import Divergence
from compiler.surgery.set_kernels import kernel_of
from compiler.types import Candidate

SHARE = 0.5  # of the dense price: the candidate that is measured
WIDEST = 20.0  # no scale above this or below its inverse: a measurement that odd says more about the inputs


def calibrate_menus(
    network: Network,
    knowledge: Study,
    menus: Mapping[str, tuple[Candidate, ...]],
    advance: Callable[[], None] = lambda: None,
) -> dict[str, tuple[Candidate, ...]]:
    """The same menus with `predicted_loss` in measured nats."""
    judge = Divergence(network, knowledge.held_out)
    calibrated = {}
    for site in network.inventory.sites:
        entries = menus[site.name]
        probe = probed(entries)
        scale = 1.0
        if probe is not None:
            kernel, bias = kernel_of(network.folded, site.name)
            factors = fit(kernel, knowledge.metrics[site.name], probe.choice, alternations=1)
            error = (kernel - factors.reconstruct()).reshape(-1, site.c_out)
            predicted = knowledge.metrics[site.name].loss(error)
            measured = judge.nats({site.name: (factors, bias + knowledge.means[site.name] @ error)})
            if predicted > 0:
                scale = float(np.clip(measured / predicted, 1 / WIDEST, WIDEST))
        calibrated[site.name] = tuple(replace(c, predicted_loss=scale * c.predicted_loss) for c in entries)
        advance()
    return calibrated


def probed(entries: tuple[Candidate, ...]) -> Candidate | None:
    """The best candidate of at most SHARE of the dense price; None where there is none."""
    dense = max(c.cost.weight_bytes for c in entries if c.choice.is_dense)
    affordable = [c for c in entries if c.cost.weight_bytes <= SHARE * dense and c.predicted_loss > 0]
    return min(affordable, key=lambda c: c.predicted_loss, default=None)
