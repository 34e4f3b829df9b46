"""Reduced-rank regression in the output's metric, every rank at once.

    minimise over rank-r W:  ½ tr(Γ (K − F W)ᵀ Σ (K − F W))          F maps patches to fewer features

With L Lᵀ = Fᵀ Σ F and the singular value decomposition L⁻¹ Fᵀ Σ K Γ^½ = P S Qᵀ,

    W = (L⁻ᵀ P_r S_r)(Q_rᵀ Γ^-½),     loss(r) = ½ (tr Γ KᵀΣK − Σ_{k ≤ r} S_k²)

Izenman, "Reduced-rank regression for the multivariate linear model", 1975.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from compiler.decompose.metric import Metric

# Of the mean diagonal of FᵀΣF, by the width of its numbers: features may be collinear up to rounding.
RIDGE = {4: 1e-7, 8: 1e-13}


@dataclass(frozen=True, eq=False)
class Regression:
    """L (f, f), P (f, c_out), S (c_out,), Qᵀ (c_out, c_out); losses (c_out + 1,) in nats at rank 0 … c_out.

    Where there are fewer features than outputs, the ranks that they can't fill are zeros.
    """

    lower: np.ndarray
    left: np.ndarray
    singular: np.ndarray
    right: np.ndarray
    losses: np.ndarray

    def coefficients(self, rank: int) -> np.ndarray:
        """(f, rank): L⁻ᵀ P_r S_r, the features' side of W."""
        scaled = self.left[:, :rank] * self.singular[:rank]
        return scipy.linalg.solve_triangular(self.lower, scaled, lower=True, trans="T")


def factor_gram(gram: np.ndarray) -> np.ndarray:
    """L of a (nearly) positive definite Gram matrix."""
    level = RIDGE[gram.dtype.itemsize] * np.trace(gram) / len(gram)
    gram = gram + level * np.eye(len(gram), dtype=gram.dtype)
    return scipy.linalg.cholesky(gram, lower=True)


def regress(gram: np.ndarray, mapped: np.ndarray, kernel: np.ndarray, metric: Metric) -> Regression:
    """`gram` = FᵀΣF (f, f), `mapped` = FᵀΣ (f, d); `kernel` HWIO or (d, c_out)."""
    return regress_factored(factor_gram(gram), mapped, kernel, metric)


def regress_factored(lower: np.ndarray, mapped: np.ndarray, kernel: np.ndarray, metric: Metric) -> Regression:
    """`regress` with L known: a new kernel costs two products and a small SVD."""
    flat = kernel.reshape(len(metric.sigma), -1)
    whitened = scipy.linalg.solve_triangular(lower, mapped @ flat, lower=True) @ metric.gamma_roots[0]
    left, singular, right = thin_svd(whitened)
    unfilled = (0, flat.shape[1] - len(singular))
    left, singular = np.pad(left, ((0, 0), unfilled)), np.pad(singular, unfilled)
    right = np.pad(right, (unfilled, (0, 0)))
    explained = np.concatenate([[0.0], np.cumsum(singular.astype(np.float64) ** 2)])
    return Regression(lower, left, singular, right, np.maximum(metric.loss(flat) - 0.5 * explained, 0.0))


def thin_svd(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """P, S, Qᵀ by the eigenvalues of the smaller Gram matrix in float64: many times faster than an SVD for the tall
    matrices here; singular values below 1e-7 of the first, which no rank would keep, are not resolved."""
    if matrix.shape[0] < matrix.shape[1]:
        right, singular, left = thin_svd(matrix.T)
        return left.T, singular, right.T
    values, vectors = np.linalg.eigh((matrix.T @ matrix).astype(np.float64))
    singular = np.sqrt(np.maximum(values[::-1], values[-1] * 1e-14))
    right = vectors[:, ::-1].astype(matrix.dtype)
    left = (matrix @ right) / np.where(singular > 0, singular, 1.0).astype(matrix.dtype)
    return left, singular.astype(matrix.dtype), right.T
