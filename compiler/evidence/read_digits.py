"""scikit-learn's handwritten digits (1,797 images of 8×8; Alpaydin & Kaynak 1998), split once and for all."""

from __future__ import annotations

import numpy as np

from compiler.evidence.dataset import Dataset


def read_digits(part: str = "held-out") -> Dataset:
    """The `held-out` third, which nothing here ever trains on, or the `training` part; float32 (n, 8, 8, 1) in 0..1."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = (digits.images / 16).astype(np.float32)[..., None]
    y = digits.target.astype(np.int64)
    training, held_out = _thirds(y)
    chosen = {"training": training, "held-out": held_out}[part]
    return Dataset(x=(x[chosen],), y=y[chosen], name=f"digits ({part})")


def _thirds(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two thirds and one third of the indices, each class shared out evenly."""
    order = np.random.default_rng(2024).permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]
    held_out = order[::3]
    return np.setdiff1d(order, held_out), np.sort(held_out)
