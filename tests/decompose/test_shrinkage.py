"""What is chance in a covariance: all of it for a few white patches, nothing for very many correlated ones."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.decompose.row_covariance import RowCovariance
from compiler.decompose.shrinkage import chance, fourth_moment, shrunk


def sample(n: int, d: int, decay: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centred rows (n, d) of a covariance whose eigenvalues fall by `decay`, their covariance, and the true one."""
    random = np.random.default_rng(0)
    basis = np.linalg.qr(random.normal(size=(d, d)))[0] * np.sqrt(decay ** np.arange(d))
    rows = random.normal(size=(n, d)) @ basis.T
    rows = (rows - rows.mean(0)).astype(np.float32)
    return rows, rows.T @ rows / n, basis @ basis.T


def test_many_patches_are_taken_at_their_word() -> None:
    rows, covariance, _ = sample(50_000, 8, 0.5)
    assert chance(covariance, fourth_moment(rows), len(rows)) < 1e-3


def test_few_white_patches_are_mostly_chance() -> None:
    rows, covariance, _ = sample(40, 30, 1.0)
    assert chance(covariance, fourth_moment(rows), len(rows)) > 0.8


@pytest.mark.parametrize("n", [40, 80, 200])
def test_it_comes_nearer_to_the_truth(n: int) -> None:
    rows, covariance, truth = sample(n, 60, 0.93)
    better = shrunk(covariance, chance(covariance, fourth_moment(rows), n))
    assert np.sum((better - truth) ** 2) < 0.95 * np.sum((covariance - truth) ** 2)
    assert np.trace(better) == pytest.approx(np.trace(covariance), rel=1e-5)


def test_rows_are_shrunk_alike() -> None:
    rows, covariance, _ = sample(20, 30, 0.9)
    wide = RowCovariance(rows / np.float32(np.sqrt(len(rows))))
    share = chance(covariance, fourth_moment(rows), len(rows))
    assert chance(wide, fourth_moment(rows), len(rows)) == pytest.approx(share, rel=1e-4)
    identity = np.eye(30, dtype=np.float32)
    np.testing.assert_allclose(shrunk(wide, share) @ identity, shrunk(covariance, share), atol=1e-4)


def test_a_silent_input_has_nothing_to_shrink() -> None:
    assert chance(np.zeros((3, 3), np.float32), 0.0, 5) == 0.0
