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

import numpy as np

DAMPING = 1e-3  # of the mean diagonal: keeps directions that the sampled inputs never showed from being free


@dataclass(frozen=True, eq=False)
class Metric:
    """`sigma` (d, d) with d = k_h·k_w·c_in in HWIO order, `gamma` (c_out, c_out); both symmetric, damped."""

    sigma: np.ndarray
    gamma: np.ndarray

    @property
    def product_macs(self) -> int:
        """Multiply-accumulates of Σ Δ, the larger half of what every step of a search or a fit computes."""
        return len(self.sigma) ** 2 * len(self.gamma)

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
        return np.diag(np.linalg.inv(self.sigma))[:, None] * np.diag(np.linalg.inv(self.gamma))[None]

    @cached_property
    def curvature(self) -> np.ndarray:
        """Σ_ii Γ_jj (d, c_out): what a weight costs once few live."""
        return np.diag(self.sigma)[:, None] * np.diag(self.gamma)[None]

    def channel_covariance(self, c_in: int) -> np.ndarray:
        """C (c_in, c_in): Σ averaged over the diagonal blocks of kernel positions."""
        positions = len(self.sigma) // c_in
        return np.einsum("pipj->ij", self.sigma.reshape(positions, c_in, positions, c_in)) / positions


def damped(matrix: np.ndarray, damping: float = DAMPING) -> np.ndarray:
    """The symmetric part of `matrix` plus `damping` times its mean diagonal (1 for the zero matrix).

    Covariances are positive semidefinite; what rounding left below zero is lifted to it first, where it matters.
    """
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
