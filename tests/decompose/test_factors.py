"""Factors stand for one kernel: that of their convolutions one after the other."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

from compiler.decompose.factors import Factors, compose


def convolve(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """ "Valid" cross-correlation of x (h, w, c_in) with an HWIO kernel, one pair of channels at a time."""
    columns = [
        sum(scipy.signal.correlate2d(x[..., i], kernel[..., i, o], mode="valid") for i in range(kernel.shape[2]))
        for o in range(kernel.shape[3])
    ]
    return np.stack(columns, axis=-1)


CHAINS = {
    "svd": (("first", (1, 1, 4, 2)), ("last", (1, 1, 2, 5))),
    "tucker2": (("first", (1, 1, 4, 2)), ("core", (3, 2, 2, 3)), ("last", (1, 1, 3, 5))),
    "tucker4": (
        ("first", (1, 1, 4, 2)),
        ("vertical", (3, 1, 2, 2)),
        ("horizontal", (1, 2, 2, 3)),
        ("last", (1, 1, 3, 5)),
    ),
    "cp": (("first", (1, 1, 4, 3)), ("depthwise", (3, 2, 3, 1)), ("last", (1, 1, 3, 5))),
    "core": (("core", (3, 2, 4, 5)),),
}


@pytest.mark.parametrize("name", list(CHAINS))
@pytest.mark.parametrize("with_sparse", [False, True])
def test_reconstruct_is_the_chain_of_convolutions_plus_the_branch(name: str, with_sparse: bool) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(7, 6, 4))
    chain = tuple((role, generator.normal(size=shape)) for role, shape in CHAINS[name])
    height, width = (1, 1) if name == "svd" else (3, 2)
    sparse = generator.normal(size=(height, width, 4, 5)) if with_sparse else None
    expected = x
    for role, kernel in chain:
        expected = convolve(expected, kernel * np.eye(kernel.shape[2]) if role == "depthwise" else kernel)
    if sparse is not None:
        expected = expected + convolve(x, sparse)
    whole = Factors(chain, sparse).reconstruct()
    assert whole.shape == (height, width, 4, 5)
    np.testing.assert_allclose(convolve(x, whole), expected, rtol=1e-10, atol=1e-10)


def test_a_branch_alone_is_the_kernel() -> None:
    sparse = np.eye(4)[None, None]
    assert Factors((), sparse).reconstruct() is sparse


def test_overlapping_kernels_are_no_product() -> None:
    with pytest.raises(ValueError, match="overlap"):
        compose(np.ones((3, 1, 2, 2)), np.ones((3, 1, 2, 2)))
