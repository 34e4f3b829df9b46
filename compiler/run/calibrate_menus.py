"""Predicted losses brought to scale by measurement: one factor a site, if that makes better plans, else one for all.

The metric takes errors at different positions for independent and the rest of the network for linear; by how much
that is off depends on the layer more than on the choice. So one candidate of each site, of about half its price, is
put into the otherwise original network, and the change of the logits on held-out inputs is measured: the site's
factor is measured ÷ predicted. Then the plans for half the bytes by either scale are measured whole, and the
factors stay only if theirs is the better one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from compiler.datafree.study import Study
from compiler.frontend.read_network import Network
from compiler.run.cached_menus import Menus
from compiler.solver.knapsack import knapsack
from compiler.surgery.realise import Divergence, fit_all, fit_site
from compiler.types import Candidate

SHARE = 0.5  # of the dense price: the candidate, and the plans, that are measured
WIDEST = 20.0  # no scale above this or below its inverse: a measurement that odd says more about the inputs


def calibrate_menus(
    network: Network,
    knowledge: Study,
    menus: Mapping[str, tuple[Candidate, ...]],
    advance: Callable[[], None] = lambda: None,
    *,
    jobs: int = 1,
) -> Menus:
    """The same menus with `predicted_loss` in measured nats."""
    judge = Divergence(network, knowledge.held_out)
    factors = {}
    for site in network.inventory.sites:
        probe = probed(menus[site.name])
        factors[site.name] = 1.0
        if probe is not None:
            measured = judge.nats({site.name: fit_site(network, knowledge, site, probe.choice, alternations=1)})
            factors[site.name] = bounded(measured / probe.predicted_loss)
        advance()
    common, nats = tested(menus, network, knowledge, judge, jobs)
    _, own_nats = tested(scaled(menus, factors), network, knowledge, judge, jobs)
    if own_nats <= nats:
        return scaled(menus, factors)
    return scaled(menus, dict.fromkeys(menus, bounded(nats / common) if common > 0 else 1.0))


def tested(
    menus: Mapping[str, tuple[Candidate, ...]], network: Network, knowledge: Study, judge: Divergence, jobs: int
) -> tuple[float, float]:
    """(predicted, measured) nats of the best plan for SHARE of the bytes, or for as little as there is."""
    entries = [menus[site.name] for site in network.inventory.sites]
    losses = [np.array([c.predicted_loss for c in menu]) for menu in entries]
    costs = [np.array([[c.cost.weight_bytes] for c in menu], float) for menu in entries]
    dense = sum(next(c.cost.weight_bytes for c in menu if c.choice.is_dense) for menu in entries)
    least = sum(float(cost.min()) for cost in costs)
    picks = knapsack(losses, costs, [max(SHARE * dense, least + 1.0)])
    chosen = {site.name: menu[pick] for site, menu, pick in zip(network.inventory.sites, entries, picks, strict=True)}
    fitted = fit_all(network, knowledge, {name: c.choice for name, c in chosen.items()}, jobs, alternations=1)
    return sum(c.predicted_loss for c in chosen.values()), judge.nats(fitted)


def probed(entries: tuple[Candidate, ...]) -> Candidate | None:
    """The best candidate of at most SHARE of the dense price; None where there is none."""
    dense = max(c.cost.weight_bytes for c in entries if c.choice.is_dense)
    affordable = [c for c in entries if c.cost.weight_bytes <= SHARE * dense and c.predicted_loss > 0]
    return min(affordable, key=lambda c: c.predicted_loss, default=None)


def bounded(factor: float) -> float:
    return float(np.clip(factor, 1 / WIDEST, WIDEST))


def scaled(menus: Mapping[str, tuple[Candidate, ...]], factors: Mapping[str, float]) -> Menus:
    return {
        name: tuple(replace(c, predicted_loss=factors[name] * c.predicted_loss) for c in entries)
        for name, entries in menus.items()
    }
