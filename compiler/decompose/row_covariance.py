"""The covariance of very wide patches, kept as the rows that it was taken over.

    Σ = RᵀR + λI          R (n, d): n centred rows, divided by √n

For d = 25,088 (the first Dense of a VGG-16) the matrix is 2.5 GB and its inverse takes hours, while no more than a few
hundred rows were ever seen. With them a product costs 2·n·d a column, and inverses follow from an n×n system:

    Σ⁻¹ = (I − Rᵀ (λI + RRᵀ)⁻¹ R) / λ          (Woodbury, "Inverting modified matrices", 1950)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.linalg

WIDE = 10_240  # numbers of a patch; up to here Σ is formed (420 MB)


@dataclass(frozen=True, eq=False)
class RowCovariance:
    """`rows` R (n, d), `level` λ ≥ 0; behaves as the (d, d) matrix in products. Inverses need λ > 0."""

    rows: np.ndarray
    level: float = 0.0

    def __len__(self) -> int:
        return self.rows.shape[1]

    def __matmul__(self, columns: np.ndarray) -> np.ndarray:
        product = self.rows.T @ (self.rows @ columns)
        return product + np.asarray(self.level, product.dtype) * columns if self.level else product

    @property
    def product_macs(self) -> int:
        """Multiply-accumulates of a product with one column."""
        return 2 * self.rows.size

    def diagonal(self) -> np.ndarray:
        """(d,)."""
        return np.einsum("nd,nd->d", self.rows, self.rows) + np.asarray(self.level, self.rows.dtype)

    def mean_variance(self) -> float:
        """The mean of the diagonal."""
        return float(np.sum(self.rows.astype(np.float64) ** 2)) / len(self) + self.level

    def plus(self, level: float) -> RowCovariance:
        """Σ + `level`·I."""
        return replace(self, level=self.level + level)

    @cached_property
    def _lower(self) -> np.ndarray:
        gram = self.rows @ self.rows.T
        return scipy.linalg.cholesky(gram + self.level * np.eye(len(gram), dtype=gram.dtype), lower=True)

    def solve(self, columns: np.ndarray) -> np.ndarray:
        """Σ⁻¹ `columns`, (d, …)."""
        inner = scipy.linalg.cho_solve((self._lower, True), self.rows @ columns)
        return ((columns - self.rows.T @ inner) / self.level).astype(columns.dtype)

    def inverse_diagonal(self) -> np.ndarray:
        """(d,): the diagonal of Σ⁻¹."""
        half = scipy.linalg.solve_triangular(self._lower, self.rows, lower=True)
        return (1.0 - np.einsum("nd,nd->d", half, half)) / self.level
