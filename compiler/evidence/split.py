"""Two halves of the examples: one to search on, one to report on, so that what a search found is seen on others."""

from __future__ import annotations

import numpy as np


def split(n: int, labels: np.ndarray | None = None, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Indices (sorted) of the search half and of the report half of `n` examples; the same for the same arguments.

    With `labels` (n,) every class is shared out evenly: the halves differ by one example at most, in each class too.
    """
    order = np.random.default_rng(seed).permutation(n)
    if labels is not None:
        if len(labels) != n:
            raise ValueError(f"{len(labels)} labels for {n} examples")
        order = order[np.argsort(labels[order], kind="stable")]
    return np.sort(order[0::2]), np.sort(order[1::2])
