"""The hybrid of tf-hybrid-pruning, afresh from what its README says: each layer becomes Tucker-2 and, beside it, a
sparse k×k convolution of what that leaves; each layer is searched by itself, for the smallest pair whose kernel
deviates no more than allowed, where a sparse weight is charged four times a dense one.

    least  c_in r_in + k² r_in r_out + r_out c_out + 4 s
    with   ‖K − (G ×₃ U ×₄ V) − S‖ ≤ δ ‖K‖,   S: the s largest weights of the rest

δ is the same for all layers: the least that keeps the budget (in the bytes that the file really has). The ranks run
over a grid of tenths of the channels, unstructured sparsity is its default. tf-hybrid-pruning by M. Poluektov,
University of Bristol with XMOS, 2023, "fixed compression approach", which needs no data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.peers.bench import Answer, Bench
from benchmarks.peers.magnitude import largest
from benchmarks.peers.split import split
from benchmarks.peers.within import saving, share, within
from compiler.decompose.factors import Factors
from compiler.decompose.tucker2 import assemble
from compiler.types import Choice, ConvSite

CHARGE = 4  # of a sparse weight
STEPS = 10  # ranks along each mode
LEVELS = 60  # counts of sparse weights


@dataclass(frozen=True, eq=False)
class Offer:
    """One layer's pairs: `choices`, each with the relative deviation that it leaves and what it is charged."""

    choices: list[Choice]
    deviations: np.ndarray
    charges: np.ndarray

    def cheapest(self, deviation: float) -> Choice:
        """Dense, at a deviation of 0, is always among them."""
        return self.choices[int(np.argmin(np.where(self.deviations <= deviation, self.charges, np.inf)))]


def tf_hybrid(bench: Bench) -> Answer:
    offers = {s.name: offer(s, bench.kernel(s)[0]) for s in bench.sites if s.kernel_size != (1, 1)}

    def plan(closeness: float) -> dict[str, Choice]:
        return saving(bench, {name: o.cheapest(1 - closeness) for name, o in offers.items()})

    choices = plan(within(lambda closeness: share(bench, plan(closeness)), bench.budget))
    factors = {s.name: made(bench.kernel(s)[0], choices[s.name]) for s in bench.sites if s.name in choices}
    return split(bench, choices, factors, ("1×1 convolutions and Dense layers are not compressed, as there",))


def bases(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Left singular vectors of the two channel unfoldings, (c_in, c_in) and (c_out, c_out): higher-order SVD."""
    first, last = (np.moveaxis(kernel, axis, 0).reshape(kernel.shape[axis], -1) for axis in (2, 3))
    return leading(first), leading(last)


def leading(unfolding: np.ndarray) -> np.ndarray:
    """All left singular vectors, by the small Gram matrix, the most important first."""
    return np.linalg.eigh(unfolding @ unfolding.T)[1][:, ::-1]


def offer(site: ConvSite, kernel: np.ndarray) -> Offer:
    size, norm = kernel.size, float(np.linalg.norm(kernel)) or 1.0
    u, v = bases(kernel)
    counts = np.unique(np.concatenate([[0], np.geomspace(1, size / 2, LEVELS)]).astype(int))
    choices, deviations, charges = [Choice()], [0.0], [float(size)]
    for r_in in steps(site.c_in):
        for r_out in steps(site.c_out):
            first, last = u[:, :r_in], v[:, :r_out]
            rest = kernel - (first @ (first.T @ kernel @ last)) @ last.T
            left = np.sort(rest.ravel() ** 2)[::-1]
            tails = np.maximum(np.sum(left) - np.concatenate([[0.0], np.cumsum(left)]), 0.0)
            chain = site.c_in * r_in + size // (site.c_in * site.c_out) * r_in * r_out + r_out * site.c_out
            for count in counts:
                sparse = (None, 0) if count == 0 else ("unstructured", int(count))
                choices.append(Choice("tucker2", (r_in, r_out), sparse[0], None, sparse[1]))
                deviations.append(float(np.sqrt(tails[count])) / norm)
                charges.append(float(chain + CHARGE * count))
    return Offer(choices, np.array(deviations), np.array(charges))


def steps(channels: int) -> list[int]:
    """Tenths of the channels, below all of them."""
    return sorted({max(1, round(channels * i / STEPS)) for i in range(1, STEPS)} - {channels})


def made(kernel: np.ndarray, choice: Choice) -> Factors:
    """Tucker-2 of the kernel, and the largest weights of what that leaves."""
    u, v = bases(kernel)
    first, last = u[:, : choice.ranks[0]], v[:, : choice.ranks[1]]
    chain = assemble(first, first.T @ kernel @ last, last.T)
    if choice.structure is None:
        return chain
    return Factors(chain.chain, largest(kernel - chain.reconstruct(), choice.kept))
