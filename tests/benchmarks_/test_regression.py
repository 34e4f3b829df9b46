"""A small slice of the comparison on every change, as ratios within one run: no absolute time, no absolute accuracy.

On the carried network at a quarter of its weights, the relative change of the logits on held-out inputs. What is asked
for is a third above what was measured: low rank alone 0.092 of the best peer, the unstructured hybrid 0.052.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from benchmarks.peers import METHODS, inputs
from benchmarks.peers.bench import Answer, read_bench
from compiler.frontend.feed import feed

PEERS = ("Tucker-2, one ratio", "spatial SVD, greedy ratios", "neuron merging")
MOST = {"ours, low rank only": 0.125, "ours, unstructured": 0.07}


def test_our_margin_over_the_best_peer_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MADE", tmp_path)
    bench = read_bench("digits", "synthetic", 0.25, 1)
    held_out = list(bench.session.knowledge.held_out)

    def logits(model: keras.Model) -> np.ndarray:
        z = np.asarray(keras.tree.flatten(model.predict_on_batch(feed(model, held_out)))[0])
        return z - z.mean(axis=1, keepdims=True)

    original = logits(bench.network.folded)
    signal = float(np.sum((original - original.mean(axis=0)) ** 2))

    def change(name: str) -> float:
        answer: Answer = METHODS[name].load()(bench, **dict(METHODS[name].settings))
        return float(np.sum((logits(answer.model) - original) ** 2)) / signal

    best = min(change(name) for name in PEERS)
    found = {name: change(name) / best for name in MOST}
    assert all(found[name] < most for name, most in MOST.items()), f"change by the best peer's ({best:.3f}): {found}"
