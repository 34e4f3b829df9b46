"""A 1×1 convolution or Dense as two factors: first c_in×r, last r×c_out.

    minimise ½ tr(Γ (K − AB)ᵀ Σ (K − AB)):   L Lᵀ = Σ,  Lᵀ K Γ^½ = P S Qᵀ,  A = L⁻ᵀ P_r S_r,  B = Q_rᵀ Γ^-½

the Eckart–Young optimum in the whitened coordinates (Eckart & Young 1936); exact, for every rank at once. Where Σ is
kept as rows, L is never formed: Q and S are those of the small matrix Γ^½ Kᵀ Σ K Γ^½, and A = K Γ^½ Q_r is the same.

A kernel that moves by small steps is followed by one step of the block power iteration (Golub & Van Loan, "Matrix
computations", §8.2) a move, each factor the least squares optimum for the other, at a fraction of a factorisation:

    Q ← orthonormal columns of Γ^½ Kᵀ Σ A,    A ← K Γ^½ Q
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from compiler.decompose.factors import Factors
from compiler.decompose.metric import Metric
from compiler.decompose.regression import Regression, factor_gram, regress_factored
from compiler.decompose.row_covariance import RowCovariance


@dataclass(frozen=True, eq=False)
class WideRegression:
    """`outputs` K Γ^½ Q (d, c_out), Qᵀ (c_out, c_out); losses (c_out + 1,) in nats at rank 0 … c_out."""

    outputs: np.ndarray
    right: np.ndarray
    losses: np.ndarray

    def coefficients(self, rank: int) -> np.ndarray:
        """(d, rank): A."""
        return self.outputs[:, :rank]


def regression_on_inputs(metric: Metric) -> Callable[[np.ndarray], Regression | WideRegression]:
    """The regression of (1, 1, c_in, c_out) kernels on their own inputs (F = I), every rank at once; what all kernels
    share is computed here."""
    sigma = metric.sigma
    if isinstance(sigma, RowCovariance):
        return lambda kernel: regress_wide(kernel, metric)
    lower = factor_gram(sigma)
    return lambda kernel: regress_factored(lower, sigma, kernel, metric)


def regress_wide(kernel: np.ndarray, metric: Metric) -> WideRegression:
    """Without anything of size d×d."""
    flat = kernel.reshape(len(metric.sigma), -1)
    felt = flat @ metric.gamma_roots[0]
    energies, basis = np.linalg.eigh((felt.T @ (metric.sigma @ felt)).astype(np.float64))
    energies, basis = np.maximum(energies[::-1], 0.0), basis[:, ::-1].astype(flat.dtype)
    explained = np.concatenate([[0.0], np.cumsum(energies)])
    return WideRegression(felt @ basis, basis.T, np.maximum(metric.loss(flat) - 0.5 * explained, 0.0))


def factors_of_rank(fit: Regression | WideRegression, metric: Metric, rank: int) -> Factors:
    first, last = fit.coefficients(rank), fit.right[:rank] @ metric.gamma_roots[1]
    return Factors((("first", first[None, None]), ("last", last[None, None])))


def follow(kernel: np.ndarray, metric: Metric, rank: int) -> Callable[[np.ndarray], np.ndarray]:
    """`following(moved)`: a rank-`rank` approximation (d, c_out) of a kernel (d, c_out), each call from where the last
    one ended; the first ones are of `kernel` or near it."""
    root, inverse_root = metric.gamma_roots
    first = regression_on_inputs(metric)(kernel).coefficients(rank)

    def following(moved: np.ndarray) -> np.ndarray:
        nonlocal first
        basis, _ = np.linalg.qr(root @ (moved.T @ (metric.sigma @ first)))
        first = moved @ (root @ basis)
        return first @ (basis.T @ inverse_root)

    return following


def svd(kernel: np.ndarray, metric: Metric, rank: int) -> Factors:
    """The best rank-`rank` pair of factors of a (1, 1, c_in, c_out) kernel."""
    return factors_of_rank(regression_on_inputs(metric)(kernel), metric, rank)
