"""The factors of one kernel: a chain of convolutions and a sparse kernel beside it.

    K ≈ chain₁ ∘ chain₂ ∘ … + S        (HWIO; `∘` composes convolutions without nonlinearity or bias between)

A chain is a tuple of `(role, kernel)`. Roles, in order: "first" (1×1×c_in×r_in), "core" (k_h×k_w×r_in×r_out),
"vertical" (k_h×1×r_in×r_mid), "horizontal" (1×k_w×r_mid×r_out), "depthwise" (k_h×k_w×r×1, a filter for each channel),
"last" (1×1×r_out×c_out). Stride, padding and dilation of the site sit on "core" or "depthwise", or its vertical part
on "vertical" and its horizontal part on "horizontal", or, in a chain of 1×1 factors only (svd), on the first of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROLES = ("first", "core", "vertical", "horizontal", "depthwise", "last")


@dataclass(frozen=True, eq=False)
class Factors:
    """`chain` may be empty (sparse only); `sparse` may be None (chain only); not both.

    `sparse` is the whole HWIO kernel with zeros in it, whatever its structure; `loudness` (c_out,) are the standard
    deviations of its outputs, a gauge for where they are scattered by a convolution (None: not known).
    """

    chain: tuple[tuple[str, np.ndarray], ...]
    sparse: np.ndarray | None = None
    loudness: np.ndarray | None = None

    def reconstruct(self) -> np.ndarray:
        """The one kernel (k_h, k_w, c_in, c_out) that the factors stand for."""
        kernel: np.ndarray | None = None
        for role, factor in self.chain:
            kernel = followed(kernel, role, factor)
        if kernel is None:
            assert self.sparse is not None, "factors with neither chain nor sparse branch"
            return self.sparse
        return kernel if self.sparse is None else kernel + self.sparse


def followed(kernel: np.ndarray | None, role: str, factor: np.ndarray) -> np.ndarray:
    """Kernel of the chain so far (None: there is nothing yet) and the factor of this role behind it."""
    if role == "depthwise":
        assert kernel is not None, "a depthwise factor stands behind a 1×1"
        return kernel * factor[:, :, None, :, 0]
    return factor if kernel is None else compose(kernel, factor)


def compose(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Kernel of convolution `b` after convolution `a`: (h_a+h_b-1, w_a+w_b-1, a's inputs, b's outputs).

    One of the two has to be of extent 1 in each direction (true of every chain here), so composing is a product.
    """
    (a_h, a_w, c_in, _), (b_h, b_w, _, c_out) = a.shape, b.shape
    if min(a_h, b_h) > 1 or min(a_w, b_w) > 1:
        raise ValueError(f"chain factors {a.shape} and {b.shape} overlap in space")
    product = np.matmul(a[:, None, :, None], b[None, :, None, :])  # (a_h, b_h, a_w, b_w, c_in, c_out)
    return product.reshape(a_h * b_h, a_w * b_w, c_in, c_out)
