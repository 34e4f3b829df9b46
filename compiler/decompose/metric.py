"""The metric in which kernels are approximated: what the network's output feels of a change of one kernel.

    loss(Δ) = ½ tr(Γ · Δᵀ Σ Δ)            Δ = K − K̂ as a (k_h·k_w·c_in) × c_out matrix

Σ is the covariance of the layer's input patches, Γ the Gauss-Newton curvature of the logits at its output. The
Kronecker factoring is that of K-FAC for convolutions (Grosse & Martens, "A Kronecker-factored approximate Fisher
matrix for convolution layers", 2016). Σ is centred: a layer's bias is corrected along with its kernel, so an
error in the mean costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np

from compiler.decompose.row_covariance import RowCovariance

DAMPING = 1e-3  # of the mean diagonal: keeps directions that the sampled inputs never showed from being free


@dataclass(frozen=True, eq=False)
class Metric:
    """`sigma` (d, d) with d = k_h·k_w·c_in in HWIO order, `gamma` (c_out, c_out); both symmetric, damped."""

    sigma: np.ndarray | RowCovariance
    gamma: np.ndarray

    @property
    def product_macs(self) -> int:
        """Multiply-accumulates of Σ Δ Γ, which every step of a search or a fit computes."""
        d, c_out = len(self.sigma), len(self.gamma)
        one = self.sigma.product_macs if isinstance(self.sigma, RowCovariance) else d**2
        return one * c_out + d * c_out**2

    def loss(self, delta: np.ndarray) -> float:
        """½ tr(Γ ΔᵀΣΔ) in nats; `delta` HWIO or (d, c_out)."""
        flat = delta.reshape(len(self.sigma), len(self.gamma))
        return 0.5 * float(np.sum((self.sigma @ flat) * (flat @ self.gamma)))

    @cached_property
    def gamma_roots(self) -> tuple[np.ndarray, np.ndarray]:
        """(Γ^½, Γ^-½), symmetric."""
        return symmetric_roots(self.gamma)

    @cached_property
    def surgeon(self) -> np.ndarray:
        """[Σ⁻¹]_ii [Γ⁻¹]_jj (d, c_out): the optimal brain surgeon's divisor while every weight lives."""
        sigma = self.sigma
        inputs = sigma.inverse_diagonal() if isinstance(sigma, RowCovariance) else np.diag(np.linalg.inv(sigma))
        return inputs[:, None] * np.diag(np.linalg.inv(self.gamma))[None]

    @cached_property
    def curvature(self) -> np.ndarray:
        """Σ_ii Γ_jj (d, c_out): what a weight costs once few live."""
        return self.sigma.diagonal()[:, None] * np.diag(self.gamma)[None]

    def channel_covariance(self, c_in: int) -> np.ndarray:
        """C (c_in, c_in): Σ averaged over the diagonal blocks of kernel positions."""
        assert not isinstance(self.sigma, RowCovariance), "too wide to be formed"
        positions = len(self.sigma) // c_in
        return np.einsum("pipj->ij", self.sigma.reshape(positions, c_in, positions, c_in)) / positions


@overload
def damped(matrix: np.ndarray, damping: float = DAMPING) -> np.ndarray: ...
@overload
def damped(matrix: RowCovariance, damping: float = DAMPING) -> RowCovariance: ...
def damped(matrix: np.ndarray | RowCovariance, damping: float = DAMPING) -> np.ndarray | RowCovariance:
    """The symmetric part of `matrix` plus `damping` times its mean diagonal (1 for the zero matrix).

    Covariances are positive semidefinite; what rounding left below zero is lifted to it first, where it matters.
    """
    if isinstance(matrix, RowCovariance):
        return matrix.plus(damping * (matrix.mean_variance() or 1.0))
    symmetric = (matrix + matrix.T) / 2
    level = damping * (float(np.trace(matrix)) / len(matrix) or 1.0)
    lifted = symmetric + level * np.eye(len(matrix), dtype=matrix.dtype)
    try:
        np.linalg.cholesky(lifted - level / 2 * np.eye(len(matrix), dtype=matrix.dtype))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(symmetric.astype(np.float64))
        lifted = ((vectors * (np.maximum(values, 0.0) + abs(level))) @ vectors.T).astype(matrix.dtype)
    return lifted


def symmetric_roots(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(M^½, M^-½) of a symmetric positive definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    root = np.sqrt(np.maximum(values, values[-1] * 1e-12))
    return (vectors * root) @ vectors.T, (vectors / root) @ vectors.T
