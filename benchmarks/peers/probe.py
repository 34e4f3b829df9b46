"""What the network answers with some kernels replaced: what methods that choose by sensitivity look at."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from benchmarks.peers.bench import Bench
from compiler.decompose.factors import Factors
from compiler.frontend.feed import feed
from compiler.frontend.rebuild import rebuild
from compiler.surgery.set_kernels import set_kernels

IMAGES = 256  # at most
BATCH = 64


class Probe:
    """Over the first IMAGES of the inputs that the method was given."""

    def __init__(self, bench: Bench) -> None:
        self.inputs = tuple(x[:IMAGES] for x in bench.inputs)
        self.classifier = bench.network.classifier
        self.model = rebuild(bench.network.logits, {})
        self.kernels = {site.name: bench.kernel(site) for site in bench.sites}
        self.original = self.outputs()

    def outputs(self) -> list[np.ndarray]:
        starts = range(0, len(self.inputs[0]), BATCH)
        batches = [[x[start : start + BATCH] for x in self.inputs] for start in starts]
        parts = [keras.tree.flatten(self.model.predict_on_batch(feed(self.model, batch))) for batch in batches]
        return [np.concatenate([np.asarray(z) for z in each]) for each in zip(*parts, strict=True)]

    def with_kernels(self, factors: Mapping[str, Factors]) -> list[np.ndarray]:
        """The outputs with these sites' kernels replaced."""
        own = {name: self.kernels[name] for name in factors}
        set_kernels(self.model, {name: (f.reconstruct(), own[name][1]) for name, f in factors.items()})
        outputs = self.outputs()
        set_kernels(self.model, own)
        return outputs

    def agreement(self, factors: Mapping[str, Factors]) -> float:
        """Share of unchanged answers; of a network that gives none, less the relative change of its outputs."""
        if not self.classifier:
            return -self.change(factors)
        after = self.with_kernels(factors)[0]
        return float(np.mean(np.argmax(self.original[0], axis=-1) == np.argmax(after, axis=-1)))

    def change(self, factors: Mapping[str, Factors]) -> float:
        """Relative change of the outputs, in the mean square."""
        pairs = list(zip(self.original, self.with_kernels(factors), strict=True))
        signal = sum(float(np.sum((z - z.mean(0)) ** 2)) for z, _ in pairs) or 1.0
        return sum(float(np.sum((a - z) ** 2)) for z, a in pairs) / signal
