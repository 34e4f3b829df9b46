"""How well a loss is known: intervals and tests for paired counts.

The same n examples are put to two networks; `lost` of them only the original gets right (b), `won` of them only
the compressed one (c). The loss of accuracy is (b − c)/n, and only b and c carry information about it.

Sources: Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the
paired-sample design", Statistics in Medicine 17, 891–908 (a score interval: of honest width even at b = c = 0, where
Wald's and, at equal proportions, Newcombe's collapse); McNemar 1947, exact form; Clopper & Pearson 1934.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binomtest, norm, t


def paired_interval(lost: int, won: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Tango's two-sided score interval for the loss (lost − won)/n, within [−1, 1]: the Δ that a test keeps."""
    if not (n > 0 and lost >= 0 and won >= 0 and lost + won <= n):
        raise ValueError(f"{lost} lost and {won} won of {n} examples can't be")
    z = float(norm.ppf(0.5 + confidence / 2))
    estimate = (lost - won) / n
    low = -1.0 if estimate == -1 else brentq(lambda d: _score(lost, won, n, d) - z, -1, estimate, xtol=1e-12)
    high = 1.0 if estimate == 1 else brentq(lambda d: _score(lost, won, n, d) + z, estimate, 1, xtol=1e-12)
    return float(low), float(high)


def _score(lost: int, won: int, n: int, delta: float) -> float:
    """Tango's statistic for the hypothesis "the loss is delta": standard normal where that holds; falls in delta."""
    # Maximum likelihood of P(won) under the hypothesis: root of 2n·q² + B·q + C = 0.
    b = -lost - won + (2 * n - lost + won) * delta
    c = -won * delta * (1 - delta)
    q_won = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
    variance = n * (2 * q_won + delta * (1 - delta))
    return (lost - won - n * delta) / math.sqrt(max(variance, 1e-12))  # 0 at delta = ±1, where the root finder starts


def mcnemar_p(lost: int, won: int) -> float:
    """Two-sided exact p-value of "both networks are right equally often": lost ~ Binomial(lost + won, ½)."""
    return 1.0 if lost + won == 0 else float(binomtest(lost, lost + won, 0.5).pvalue)


def clopper_pearson_upper(events: int, n: int, confidence: float = 0.95) -> float:
    """One-sided exact upper bound for the probability of an event seen `events` times in `n`."""
    return float(binomtest(events, n, alternative="less").proportion_ci(confidence, method="exact").high)


def clopper_pearson(events: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided exact interval for the probability of an event seen `events` times in `n`."""
    interval = binomtest(events, n).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


def mean_interval(values: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Student's interval for the mean of `values` (n,), for example the paired differences of a score."""
    n = len(values)
    if n < 2:
        return -math.inf, math.inf
    half = float(t.ppf(0.5 + confidence / 2, n - 1)) * float(np.std(values, ddof=1)) / math.sqrt(n)
    mean = float(np.mean(values))
    return mean - half, mean + half


def root_ratio_interval(errors: np.ndarray, signals: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Interval for sqrt(E[errors]/E[signals]) from n paired squares (n,), (n,).

    The ratio estimator's linearised variance (Cochran 1977, "Sampling Techniques", section 6.3), then the root.
    """
    signal = float(np.mean(signals))
    if len(errors) < 2 or signal == 0:
        return 0.0, math.inf
    ratio = float(np.mean(errors)) / signal
    low, high = mean_interval((errors - ratio * signals) / signal, confidence)
    return math.sqrt(max(0.0, ratio + low)), math.sqrt(max(0.0, ratio + high))
