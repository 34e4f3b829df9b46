"""Take whole filters out of a network, and the inputs that they were out of the layers behind.

    site:      K[..., kept], b[kept]                    depthwise on the way: K[:, :, kept], b[kept]
    consumer:  K'[:, :, i] = K[:, :, i] + Σ_j z_ji K[:, :, j]  for kept i      z: what stands in for the removed ones j

The ratio of filters kept is the same for every layer that can lose any (see removable.py), the largest that keeps the
budget; `z` is zero in plain pruning. Where inputs were given, b' = b + (K − K')ᵀ μ at each consumer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import keras
import numpy as np

from benchmarks.peers.bench import Answer, Bench
from benchmarks.peers.removable import Removable, removable
from benchmarks.peers.within import within
from compiler.errors import Infeasible
from compiler.frontend.rebuild import copy_of, rebuild
from compiler.types import DENSE, ConvSite


@dataclass(frozen=True, eq=False)
class Kept:
    """`indices` of the filters that stay, ascending; `stand_in` (c_out, c_out): row j says what stands in for filter j
    (the identity's row where it stays, zeros where nothing does)."""

    indices: np.ndarray
    stand_in: np.ndarray


Choose = Callable[[np.ndarray, np.ndarray, int, Removable], Kept]
"""Which filters of a site stay: (kernel HWIO, bias, how many, the way behind it) → Kept."""


def remove_filters(bench: Bench, choose: Choose) -> Answer:
    """Raises Infeasible where no layer can lose filters, or where one filter a layer is still too much."""
    network = bench.network
    ways = removable(network.folded, network.inventory)
    able = {s.name: s for s in bench.sites if s.name in ways and s.c_out > 1}
    if not able:
        raise Infeasible("no layer can lose filters: all of them lead into an Add, a Concatenate or the output.")

    def count(site: ConvSite, ratio: float) -> int:
        return max(1, round(ratio * site.c_out))

    def kept(ratio: float) -> float:
        return share(bench, ways, {name: count(site, ratio) for name, site in able.items()})

    ratio = within(kept, bench.budget)
    chosen = {name: choose(*bench.kernel(site), count(site, ratio), ways[name]) for name, site in able.items()}
    share_able = sum(site.weights for site in able.values()) / sum(site.weights for site in bench.sites)
    note = f"{len(able)} of {len(bench.sites)} layers can lose filters ({100 * share_able:.0f} % of the weights)"
    return Answer(narrowed(bench, ways, chosen), (), (note,))


def share(bench: Bench, ways: Mapping[str, Removable], counts: Mapping[str, int]) -> float:
    """Priced share of the stored weight bytes with so many filters of each site kept."""
    target, whole = bench.session.target, bench.session.original.figures.stored_weight_bytes
    inputs = {consumer: counts[name] for name in counts for consumer in ways[name].consumers}
    sites = [replace(s, c_in=inputs.get(s.name, s.c_in), c_out=counts.get(s.name, s.c_out)) for s in bench.sites]
    before, after = (target.total((s, DENSE) for s in plan).weight_bytes for plan in (bench.sites, sites))
    saved = before - after
    for name, kept in counts.items():
        removed = bench.network.inventory.site(name).c_out - kept
        for layer in ways[name].depthwise:
            saved += removed * (bench.network.folded.get_layer(layer).kernel.shape[0] ** 2 + 4)
    return (whole - saved) / whole


def narrowed(bench: Bench, ways: Mapping[str, Removable], chosen: Mapping[str, Kept]) -> keras.Model:
    """The network without the filters that are not kept."""
    model = bench.network.folded
    feeds = {consumer: kept for name, kept in chosen.items() for consumer in ways[name].consumers}
    weights: dict[str, list[np.ndarray]] = {}
    copies: dict[str, keras.Layer] = {}
    for site in bench.sites:
        if site.name not in chosen and site.name not in feeds:
            continue
        kernel, bias = bench.kernel(site)
        if site.name in feeds:
            stand_in, indices = feeds[site.name].stand_in, feeds[site.name].indices
            effective = np.matmul(stand_in[:, indices].T.astype(np.float32), kernel)
            if bench.given:
                whole = np.zeros_like(kernel)
                whole[:, :, indices] = effective
                bias = bias + bench.seen[site.name].mean @ (kernel - whole).reshape(-1, site.c_out)
            kernel = effective
        changes = {}
        if site.name in chosen:
            kernel, bias = kernel[..., chosen[site.name].indices], bias[chosen[site.name].indices]
            changes = {"filters" if site.kind == "conv" else "units": len(bias)}
        copies[site.name] = copy_of(model.get_layer(site.name), **changes)
        weights[site.name] = [kernel[0, 0] if site.kind == "dense" else kernel, bias.astype(np.float32)]
    for name, kept in chosen.items():
        for layer in ways[name].depthwise:
            copies[layer] = copy_of(model.get_layer(layer))
            own, *rest = model.get_layer(layer).get_weights()
            weights[layer] = [own[:, :, kept.indices], *(b[kept.indices] for b in rest)]
    narrow = rebuild(model, copies)
    for name, values in weights.items():
        copies[name].set_weights(values)
    return narrow


def pruned(channels: int, indices: np.ndarray) -> Kept:
    """Nothing stands in for what is removed."""
    stand_in = np.zeros((channels, channels))
    stand_in[indices, indices] = 1.0
    return Kept(np.sort(indices), stand_in)
