"""Filter pruning by norm: the filters of least Σ|K| go, and with them the inputs that they were, one ratio for all
layers.

Li, Kadav, Durdanovic, Samet & Graf, "Pruning filters for efficient ConvNets", 2017 (without the retraining, which
needs labelled data). Only layers that lead into convolutions alone lose filters, as in the paper's residual networks.
"""

from __future__ import annotations

import numpy as np

from benchmarks.peers.bench import Answer, Bench
from benchmarks.peers.removable import Removable
from benchmarks.peers.remove_filters import Kept, pruned, remove_filters


def filter_norm(bench: Bench) -> Answer:
    return remove_filters(bench, loudest)


def loudest(kernel: np.ndarray, bias: np.ndarray, count: int, way: Removable) -> Kept:
    """The `count` filters of largest l1 norm."""
    norms = np.abs(kernel).reshape(-1, kernel.shape[3]).sum(0)
    return pruned(len(norms), np.argsort(-norms, kind="stable")[:count])
