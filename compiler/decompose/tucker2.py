"""Tucker-2 of a kernel in the output's metric: first 1×1 (U), core k×k (G), last 1×1 (V).

    K ≈ G ×₃ U ×₄ V,    K_p ≈ U G_p V   at each kernel position p

Basis. Whiten the input-channel mode by C^½ and the output mode by Γ^½ and take the leading left subspace W of the
mode-3 unfolding (one HOOI sweep refines it for a given pair of ranks); U = C^-½ W.
Given U, (G, V) is a reduced-rank regression in the full metric (`regression.py`), exact for every r_out at once.
Given (G, V), U is a linear least-squares problem. The two are alternated.

References: Tucker, "Some mathematical notes on three-mode factor analysis", 1966; Kim et al., "Compression of deep
convolutional neural networks for fast and low power mobile applications", 2016 (Tucker-2 of kernels); De Lathauwer,
De Moor & Vandewalle, "On the best rank-1 and rank-(R1,…,RN) approximation of higher-order tensors", 2000 (HOOI).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compiler.decompose.factors import Factors
from compiler.decompose.metric import Metric, symmetric_roots
from compiler.decompose.regression import Regression, regress, regress_factored
from compiler.decompose.row_covariance import RowCovariance


@dataclass(frozen=True, eq=False)
class RegressionOnU:
    """U (c_in, r_in), diag(U)ᵀΣ (k²·r_in, d), and the regression of the kernel on them."""

    first: np.ndarray
    mapped: np.ndarray
    regression: Regression

    def of(self, kernel: np.ndarray, metric: Metric) -> RegressionOnU:
        """The same U for another kernel."""
        regression = regress_factored(self.regression.lower, self.mapped, kernel, metric)
        return RegressionOnU(self.first, self.mapped, regression)


def input_basis(kernel: np.ndarray, metric: Metric) -> np.ndarray:
    """C^-½ W: every input direction (c_in, c_in), the most important first, so that U is its first r_in columns."""
    c_in = kernel.shape[2]
    c_root, c_inverse_root = symmetric_roots(metric.channel_covariance(c_in))
    whitened = np.moveaxis(c_root @ kernel @ metric.gamma_roots[0], 2, 0).reshape(c_in, -1)
    # Where there are fewer output directions than inputs, the rest can't matter but has to be there.
    basis, _, _ = np.linalg.svd(whitened, full_matrices=whitened.shape[1] < c_in)
    return c_inverse_root @ basis


def regress_on(first: np.ndarray, kernel: np.ndarray, metric: Metric) -> RegressionOnU:
    """The best (G, V) of every r_out for a given U (c_in, r_in)."""
    k_h, k_w, c_in, _ = kernel.shape
    positions, r_in = k_h * k_w, first.shape[1]
    assert not isinstance(metric.sigma, RowCovariance), "a core's regression needs Σ whole"
    blocks = metric.sigma.reshape(positions, c_in, -1)
    mapped = np.matmul(first.T, blocks).reshape(positions * r_in, positions * c_in)
    gram = np.matmul(mapped.reshape(-1, positions, c_in), first).reshape(positions * r_in, positions * r_in)
    return RegressionOnU(first, mapped, regress(gram, mapped, kernel, metric))


def factors_of(fit: RegressionOnU, kernel_shape: tuple[int, ...], metric: Metric, r_out: int) -> Factors:
    """The chain of a fit cut at r_out. A side whose rank is the channel count is absorbed into the core."""
    k_h, k_w, _, _ = kernel_shape
    core = fit.regression.coefficients(r_out).reshape(k_h, k_w, fit.first.shape[1], r_out)
    return assemble(fit.first, core, fit.regression.right[:r_out] @ metric.gamma_roots[1])


def assemble(first: np.ndarray, core: np.ndarray, last: np.ndarray) -> Factors:
    """Factors of (U, G, V), with full-rank sides absorbed into the core."""
    c_in, r_in = first.shape
    r_out, c_out = last.shape
    chain: list[tuple[str, np.ndarray]] = []
    if r_in < c_in:
        chain.append(("first", first[None, None]))
    else:
        core = first @ core
    if r_out < c_out:
        chain += [("core", core), ("last", last[None, None])]
    else:
        chain.append(("core", core @ last))
    return Factors(tuple(chain))


def tucker2(kernel: np.ndarray, metric: Metric, r_in: int, r_out: int, sweeps: int = 4) -> Factors:
    """Best found rank-(r_in, r_out) chain of an HWIO kernel: HOOI for U in the whitened modes, regression for (G, V),
    then alternating exact updates of U and of (G, V) in the full metric."""
    best = regress_on(input_basis(kernel, metric)[:, :r_in], kernel, metric)
    if r_in == kernel.shape[2]:
        return factors_of(best, kernel.shape, metric, r_out)
    for _ in range(sweeps):
        fit = regress_on(update_first(best, kernel, metric, r_out), kernel, metric)
        gained = fit.regression.losses[r_out] < best.regression.losses[r_out]
        settled = fit.regression.losses[r_out] > best.regression.losses[r_out] * (1 - 1e-3)
        best = fit if gained else best
        if settled:
            break
    return factors_of(best, kernel.shape, metric, r_out)


def update_first(fit: RegressionOnU, kernel: np.ndarray, metric: Metric, r_out: int) -> np.ndarray:
    """U that minimises the loss for fixed (G, V): a linear least-squares problem in c_in·r_in unknowns, solved by
    conjugate gradients from the present U. Rows of V are Γ-orthonormal, so Γ has no part in the normal operator."""
    k_h, k_w, c_in, c_out = kernel.shape
    positions, r_in = k_h * k_w, fit.first.shape[1]
    core = fit.regression.coefficients(r_out).reshape(positions, r_in, r_out)

    def onto_core(rows: np.ndarray) -> np.ndarray:
        return np.tensordot(rows.reshape(positions, c_in, r_out), core, axes=([0, 2], [0, 2]))

    def normal(u: np.ndarray) -> np.ndarray:
        return onto_core(metric.sigma @ (u @ core).reshape(-1, r_out)) / scale

    outputs = metric.gamma_roots[0] @ fit.regression.right[:r_out].T  # Γ Vᵀ
    right_side = onto_core(metric.sigma @ (kernel.reshape(-1, c_out) @ outputs))
    scale = float(np.abs(right_side).max()) or 1.0  # squares of loud or faint layers would leave float32's range
    right_side = right_side / scale
    u = fit.first.copy()
    residual = right_side - normal(u)
    direction, energy = residual.copy(), float(np.sum(residual**2))
    start = energy
    for _ in range(20):
        if energy <= 1e-10 * start or energy == 0.0:
            break
        image = normal(direction)
        step = energy / float(np.sum(direction * image))
        u += step * direction
        residual -= step * image
        energy, previous = float(np.sum(residual**2)), energy
        direction = residual + (energy / previous) * direction
    return u
