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
LITTLE = 0.1  # kappa below which a network is no baseline
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


def kappa(answers: np.ndarray, labels: np.ndarray) -> float:
    """Agreement beyond chance's as a share of what is left to agree on (Cohen 1960, "A coefficient of agreement for
    nominal scales"): 1 where all are right, 0 at chance; 1 where chance alone agrees on all."""
    classes = np.union1d(answers, labels)
    by_chance = sum(float(np.mean(answers == c)) * float(np.mean(labels == c)) for c in classes)
    return 1.0 if by_chance == 1 else (float(np.mean(answers == labels)) - by_chance) / (1 - by_chance)


def knows_little(answers: np.ndarray, labels: np.ndarray) -> bool:
    """Whether the answers are chance's, or hardly better: a network that is fed the wrong units often is."""
    p_value = chance_p_value(answers, labels)
    return p_value is not None and (is_chance(p_value) or kappa(answers, labels) < LITTLE)


def is_chance(p_value: float | None) -> bool:
    return p_value is not None and p_value > LEVEL
