"""A plan's choices → factors and biases of every site, with a gate in front of every optional step.

Fit       each site to the original's kernel, its bias corrected for the mean error
Refit     in order from there, each to what the compressed prefix gives it  kept if held-out divergence falls
Recover   on request: train the factors on the same inputs                 kept if held-out divergence falls
Equalise  the channels between factors, exactly, for int8
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import keras
import numpy as np
from joblib import Parallel, delayed

from compiler.datafree.study import Study
from compiler.decompose.equalise import equalise
from compiler.decompose.factors import Factors
from compiler.decompose.fit import CONTINUED, fit
from compiler.frontend.feed import feed
from compiler.frontend.read_network import Network
from compiler.frontend.rebuild import rebuild
from compiler.surgery.refit import Fitted, refit
from compiler.surgery.set_kernels import kernel_of, set_kernels
from compiler.types import Choice, ConvSite

Gates = tuple[tuple[str, bool], ...]


@dataclass(frozen=True, eq=False)
class Realised:
    """Factors and bias by site, the gates' decisions, and the relative divergence of the logits on held-out inputs."""

    fitted: Fitted
    gates: Gates
    divergence: float


def realise(
    network: Network,
    knowledge: Study,
    choices: Mapping[str, Choice],
    *,
    seed: int,
    jobs: int,
    recover: bool = False,
    decided: Gates | None = None,
    stage: Callable[[str, int], None] = lambda title, steps: None,
    advance: Callable[[], None] = lambda: None,
) -> Realised:
    """Factors for `choices`; `recover` trains them too. `decided` replays a saved plan's gates instead of judging.
    `stage` is told what begins, and how often `advance` will be called at most."""
    judge = Divergence(network, knowledge.held_out)
    replay = dict(decided or ())
    known = replay.get("refit")
    # A refit that is decided needs nothing to be judged by, only what components go on from.
    begun = {name: choice for name, choice in choices.items() if known is not True or choice.chain in CONTINUED}
    stage(f"Fitting {sum(not choice.is_dense for choice in choices.values())} layers", len(begun))
    best = plain = fit_all(network, knowledge, begun, jobs, advance=advance)
    divergence, keep = np.inf if known else judge(plain), known is not False
    if keep:
        stage("Refitting in order", len(network.inventory.sites))
        refitted = refit(
            network.folded,
            knowledge.inputs,
            network.inventory,
            choices,
            knowledge.gamma,
            seed=seed,
            start=plain,
            advance=advance,
        )
        refitted_divergence = judge(refitted)
        keep = refitted_divergence < divergence or known is True
        if keep:
            best, divergence = refitted, refitted_divergence
    gates = [("refit", bool(keep))]
    if recover and replay.get("recover") is not False:
        from compiler.surgery.distil import STEPS, distil  # TensorFlow's gradients: only where they are asked for

        stage("Training the factors", STEPS)
        fixed = frozenset(name for name, choice in choices.items() if not choice.is_int8)
        trained = distil(network, knowledge, best, judge, seed=seed, fixed=fixed, advance=advance)
        gates.append(("recover", trained is not best))
        best, divergence = trained, judge(trained)
    equal = {
        name: (equalise(factors, knowledge.metrics[name].sigma), bias)
        for name, (factors, bias) in best.items()
        if choices[name].is_int8  # those of fewer bits were equalised before they were rounded
    }
    return Realised(best | equal, tuple(gates), divergence)


def fit_all(
    network: Network,
    knowledge: Study,
    choices: Mapping[str, Choice],
    jobs: int,
    alternations: int | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Fitted:
    """Every site of `choices` fitted to its own kernel."""
    sites = [site for site in network.inventory.sites if site.name in choices]
    pool = Parallel(n_jobs=jobs, backend="threading", return_as="generator")
    each = pool(delayed(fit_site)(network, knowledge, site, choices[site.name], alternations) for site in sites)
    fitted: Fitted = {}
    for site, found in zip(sites, each, strict=True):
        fitted[site.name] = found
        advance()
    return fitted


def fit_site(
    network: Network, knowledge: Study, site: ConvSite, choice: Choice, alternations: int | None = None
) -> tuple[Factors, np.ndarray]:
    """Factors of one site's kernel, and its bias: b' = b + (K − K̂)ᵀ μ keeps the channels' means."""
    kernel, bias = kernel_of(network.folded, site.name)
    factors = fit(kernel, knowledge.metrics[site.name], choice, alternations)
    error = (kernel - factors.reconstruct()).reshape(-1, site.c_out)
    return factors, (bias + knowledge.means[site.name] @ error).astype(np.float32)


class Divergence:
    """How far the logits move on fixed inputs when kernels do; centred over a classifier's classes."""

    def __init__(self, network: Network, inputs: tuple[np.ndarray, ...]) -> None:
        self.centre = network.classifier
        self.inputs = inputs
        self.working = rebuild(network.logits, {})
        self.kernels = {site.name: kernel_of(self.working, site.name) for site in network.inventory.sites}
        self.original = self.logits()
        self.signal = sum(float(np.sum((z - z.mean(axis=0)) ** 2)) for z in self.original) + 1e-30

    def logits(self) -> list[np.ndarray]:
        parts = zip(*map(batches, self.inputs), strict=True)
        each = [keras.tree.flatten(self.working.predict_on_batch(feed(self.working, part))) for part in parts]
        flat = [np.concatenate([np.asarray(v) for v in values]) for values in zip(*each, strict=True)]
        return [v - v.mean(axis=-1, keepdims=True) for v in flat] if self.centre else flat

    def change(self, fitted: Fitted) -> float:
        """Σ ‖Δz‖² with the sites of `fitted` replaced; the others are the original's."""
        set_kernels(self.working, {name: (factors.reconstruct(), bias) for name, (factors, bias) in fitted.items()})
        change = sum(float(np.sum((a - b) ** 2)) for a, b in zip(self.logits(), self.original, strict=True))
        set_kernels(self.working, {name: self.kernels[name] for name in fitted})
        return change

    def __call__(self, fitted: Fitted) -> float:
        """Σ ‖Δz‖² / Σ ‖z − z̄‖²."""
        return self.change(fitted) / self.signal

    def nats(self, fitted: Fitted) -> float:
        """½ ‖Δz‖² an input, the unit of the metric."""
        return 0.5 * self.change(fitted) / len(self.inputs[0])


def batches(x: np.ndarray, size: int = 64) -> list[np.ndarray]:
    return [x[start : start + size] for start in range(0, len(x), size)]
