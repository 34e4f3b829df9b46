"""A bench on a network made in a test."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from benchmarks import suites
from benchmarks.peers import inputs
from benchmarks.peers.bench import Bench, read_bench


def bench_of(
    model: keras.Model, folder: Path, monkeypatch: pytest.MonkeyPatch, *, budget: float = 0.5, data: str = "nothing"
) -> Bench:
    """On 40 random images and the network's own answers to them."""
    x = np.random.default_rng(0).normal(size=(40, *model.input.shape[1:])).astype(np.float32)
    model.save(folder / "net.keras")
    np.savez(folder / "val.npz", x=x, y=np.argmax(np.asarray(model(x)), -1))
    network = suites.Network(folder / "net.keras", str(folder / "val.npz"))
    monkeypatch.setitem(suites.NETWORKS, "test", network)
    monkeypatch.setattr(inputs, "MADE", folder)
    return read_bench("test", data, budget, 1)
