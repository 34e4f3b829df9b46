"""How many singular values of a noisy matrix are signal: empirical variational Bayes matrix factorisation, in closed
form.

Given   V (L, M), L ≤ M, singular values s; α = L/M; x = s²/(Mσ²);  τ(x) = ½ (x − 1 − α + √((x − 1 − α)² − 4α))
        τ̲ = 2.5129 √α,  x̲ = (1 + τ̲)(1 + α/τ̲)
Result  the number of s with x > x̲, for the noise σ² that minimises the free energy

        Σ_{x ≤ x̲} (x − ln x)  +  Σ_{x > x̲} (x − τ + ln((τ + 1)/x) + α ln(τ/α + 1))

Nakajima, Sugiyama, Babacan & Tomioka, "Global analytic solution of fully-observed variational Bayesian matrix
factorization", JMLR 14, 2013 (theorem 2 with the constant 2.5129, and the bounds of σ² in section 4.2).
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar


def evbmf_rank(matrix: np.ndarray) -> int:
    """Between 0 and min(matrix.shape)."""
    rows, columns = sorted(matrix.shape)
    energy = np.linalg.svd(matrix, compute_uv=False).astype(np.float64) ** 2 / columns  # x σ²
    energy = np.maximum(energy, 1e-12 * energy[0] + 1e-300)
    alpha = rows / columns
    edge = 2.5129 * np.sqrt(alpha)
    least = (1 + edge) * (1 + alpha / edge)

    def free_energy(log_noise: float) -> float:
        x = energy / np.exp(log_noise)
        noise, signal = x[x <= least], x[x > least]
        t = 0.5 * (signal - 1 - alpha + np.sqrt((signal - 1 - alpha) ** 2 - 4 * alpha))
        of_signal = signal - t + np.log((t + 1) / signal) + alpha * np.log(t / alpha + 1)
        return float(np.sum(noise - np.log(noise)) + np.sum(of_signal))

    first = min(int(np.ceil(rows / (1 + alpha))) - 1, rows - 1)
    low = max(energy[min(first, rows - 1)] / least, float(np.mean(energy[first:])))
    high = float(np.sum(energy) / rows)
    if not low < high:
        return int(np.count_nonzero(energy > least * high))
    # The free energy has many shallow valleys: a grid finds the deepest, the minimiser its bottom.
    grid = np.linspace(np.log(low), np.log(high), 200)
    best = int(np.argmin([free_energy(g) for g in grid]))
    around = (grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
    found = minimize_scalar(free_energy, bounds=around, method="bounded")
    return int(np.count_nonzero(energy > least * np.exp(found.x)))
