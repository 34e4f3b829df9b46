"""Does a network know anything of the labels that its answers are compared with? Where units or labels are wrong it
answers at random, or nearly so, and a loss against that is a loss of nothing.

    kappa = (p − p_chance) / (1 − p_chance)

p is the share of right answers, p_chance that of two independent draws from the shares of the classes among answers and
labels: Cohen 1960, "A coefficient of agreement for nominal scales". What counts is how large kappa may be at most, with
the exact upper bound of p in its place: few examples accuse nobody.
"""

from __future__ import annotations

import numpy as np

from compiler.evidence.intervals import clopper_pearson_upper

LITTLE = 0.1  # kappa below which a network is no baseline


def knows_little(answers: np.ndarray, labels: np.ndarray) -> bool:
    """Whether the answers (n,), (n,) are surely hardly better than chance; labels of one class can't tell."""
    classes = np.unique(labels)
    if len(classes) < 2:
        return False
    by_chance = sum(float(np.mean(answers == c)) * float(np.mean(labels == c)) for c in classes)
    highest = clopper_pearson_upper(int(np.count_nonzero(answers == labels)), len(labels))
    return (highest - by_chance) / (1 - by_chance) < LITTLE
