"""Does a network know anything of the labels that its answers are compared with? Where units or labels are wrong it
answers at random, and a loss against that is a loss of nothing.

A permutation test of independence (Fisher 1935, "The Design of Experiments"; Good 2005, "Permutation, Parametric and
Bootstrap Tests of Hypotheses"): labels dealt out anew agree with the answers as often as chance lets them, whatever
the shares of the classes among either.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import permutation_test

FEWEST = 20  # examples: fewer tell chance from a poor network too seldom
DEALS = 999
LEVEL = 0.05  # a p-value above this is chance's


def chance_p_value(answers: np.ndarray, labels: np.ndarray) -> float | None:
    """The probability that labels which have nothing to do with the answers (n,), (n,) agree with them as often as
    these do; None where too few examples, or labels of one class, can't tell."""
    if len(labels) < FEWEST or len(np.unique(labels)) == 1:
        return None

    def agreement(dealt: np.ndarray, axis: int) -> np.ndarray:
        return np.mean(dealt == answers, axis=axis)

    test = permutation_test(
        (labels,),
        agreement,
        permutation_type="pairings",
        alternative="greater",
        n_resamples=DEALS,
        batch=64,
        vectorized=True,
        random_state=0,
    )
    return float(test.pvalue)


def is_chance(p_value: float | None) -> bool:
    return p_value is not None and p_value > LEVEL
