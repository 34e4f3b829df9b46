"""A 1×1 convolution or Dense as two factors: first c_in×r, last r×c_out.

    minimise ½ tr(Γ (K − AB)ᵀ Σ (K − AB)):   L Lᵀ = Σ,  Lᵀ K Γ^½ = P S Qᵀ,  A = L⁻ᵀ P_r S_r,  B = Q_rᵀ Γ^-½

the Eckart–Young optimum in the whitened coordinates (Eckart & Young 1936); exact, for every rank at once.
"""

from __future__ import annotations

import numpy as np

from compiler.decompose.factors import Factors
from compiler.decompose.metric import Metric
from compiler.decompose.regression import Regression, regress


def regress_all(kernel: np.ndarray, metric: Metric) -> Regression:
    """The regression of a (1, 1, c_in, c_out) kernel on its own inputs (F = I): every rank at once."""
    return regress(metric.sigma, metric.sigma, kernel, metric)


def factors_of_rank(fit: Regression, metric: Metric, rank: int) -> Factors:
    first, last = fit.coefficients(rank), fit.right[:rank] @ metric.gamma_roots[1]
    return Factors((("first", first[None, None]), ("last", last[None, None])))


def svd(kernel: np.ndarray, metric: Metric, rank: int) -> Factors:
    """The best rank-`rank` pair of factors of a (1, 1, c_in, c_out) kernel."""
    return factors_of_rank(regress_all(kernel, metric), metric, rank)
