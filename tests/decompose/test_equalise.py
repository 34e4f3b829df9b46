"""The gauge of a chain: the kernel stays, the channels between its factors become equally loud."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.decompose.equalise import equalise
from compiler.decompose.factors import Factors
from compiler.decompose.fit import fit
from compiler.types import Choice
from tests.decompose.cases import Shape, kernel_of, metric_of

CASES = [
    ((3, 3, 4, 6), Choice("tucker2", (2, 3))),
    ((3, 3, 4, 6), Choice("tucker2", (4, 3))),
    ((3, 3, 4, 6), Choice("tucker2", (2, 6))),
    ((3, 2, 4, 6), Choice("tucker4", (2, 3, 3))),
    ((3, 1, 4, 6), Choice("tucker2", (2, 3))),
    ((1, 5, 4, 6), Choice("tucker2", (2, 3))),
    ((1, 1, 8, 6), Choice("svd", (3,))),
    ((3, 3, 4, 6), Choice("cp", (5,))),
    ((1, 5, 4, 6), Choice("cp", (3,))),
    ((3, 3, 4, 6), Choice("tucker2", (2, 3), "unstructured", None, 9)),
]


def stationary(shape: Shape) -> np.ndarray:
    """A patch covariance that is the same at every position, as that of a large map."""
    k_h, k_w, c_in, _ = shape
    channels = metric_of((1, 1, c_in, 1)).sigma
    y, x = (part.reshape(-1) for part in np.indices((k_h, k_w)))
    near = 0.6 ** (np.abs(y[:, None] - y) + np.abs(x[:, None] - x))
    return np.einsum("pq,ij->piqj", near, channels).reshape(k_h * k_w * c_in, -1)


@pytest.mark.parametrize(("shape", "choice"), CASES)
def test_the_kernel_stays(shape: Shape, choice: Choice) -> None:
    factors = fit(kernel_of(shape), metric_of(shape), choice)
    equal = equalise(factors, stationary(shape))
    assert [(role, kernel.shape) for role, kernel in equal.chain] == [(r, k.shape) for r, k in factors.chain]
    np.testing.assert_allclose(equal.reconstruct(), factors.reconstruct(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("shape", "choice"), CASES)
def test_every_intermediate_channel_has_unit_spread(shape: Shape, choice: Choice) -> None:
    """Measured on patches drawn with that covariance, each factor applied to what the one before it gives."""
    k_h, k_w, c_in, _ = shape
    covariance = stationary(shape)
    samples = np.random.default_rng(0).multivariate_normal(np.zeros(len(covariance)), covariance, size=20_000)
    maps = samples.reshape(-1, k_h, k_w, c_in)
    chain = equalise(fit(kernel_of(shape), metric_of(shape), choice), covariance).chain
    for role, kernel in chain[:-1]:
        kernel = kernel * np.eye(kernel.shape[2]) if role == "depthwise" else kernel
        height, width = maps.shape[1] - kernel.shape[0] + 1, maps.shape[2] - kernel.shape[1] + 1
        windows = np.lib.stride_tricks.sliding_window_view(maps, kernel.shape[:2], axis=(1, 2))
        assert windows.shape[1:3] == (height, width)
        maps = np.einsum("nyxihw,hwir->nyxr", windows, kernel, optimize=True)
        np.testing.assert_allclose(maps.std(axis=(0, 1, 2)), 1.0, rtol=0.03)


@pytest.mark.parametrize("faint", [0.0, 1e-9])
def test_dead_channels_are_not_amplified(faint: float) -> None:
    shape = (1, 1, 4, 3)
    first, last = np.ones((1, 1, 4, 2)), np.ones((1, 1, 2, 3))
    first[..., 1] = faint
    factors = Factors((("first", first), ("last", last)))
    equal = equalise(factors, stationary(shape))
    assert np.abs(equal.chain[0][1][..., 1]).max() <= 10 * faint
    assert all(np.all(np.isfinite(kernel)) for _, kernel in equal.chain)
    np.testing.assert_allclose(equal.reconstruct(), factors.reconstruct())


def test_a_kernel_without_a_chain_has_no_gauge() -> None:
    kernel = kernel_of((3, 3, 4, 6))
    assert equalise(Factors((), kernel), stationary(kernel.shape)).sparse is kernel
    np.testing.assert_array_equal(equalise(Factors((("core", kernel),)), stationary(kernel.shape)).chain[0][1], kernel)


def test_how_loud_a_sparse_branch_is() -> None:
    """The standard deviation of each of its outputs; silent channels count as loud as the loudest."""
    shape = (3, 3, 4, 6)
    covariance = stationary(shape)
    branch = fit(kernel_of(shape), metric_of(shape), Choice("none", (), "filter", None, 3)).sparse
    assert branch is not None
    loud = equalise(Factors((), branch), covariance).loudness
    assert loud is not None
    flat = branch.reshape(-1, 6)
    expected = np.sqrt(np.diag(flat.T @ covariance @ flat))
    alive = expected > 0
    np.testing.assert_allclose(loud[alive], expected[alive], rtol=1e-5)
    np.testing.assert_allclose(loud[~alive], expected.max(), rtol=1e-5)
