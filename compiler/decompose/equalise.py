"""Choose the chain's gauge for int8: every intermediate channel equally loud.

Between two factors there is no nonlinearity, so any invertible D may be put between them: A, B → A D, D⁻¹ B, exactly.
TFLite quantizes an intermediate tensor with one scale, set by its loudest channel; noise of that scale enters every
channel k and leaves through row k of B. With standard deviations s_k of the channels, the noise at the output is
max_k(s_k d_k)² Σ_k ‖B_k‖² / d_k², least where all s_k d_k are equal: D = diag(1 / s_k). The per-channel scales of A
absorb D without a change of its int8 values. The same holds between a sparse branch of few output channels and the
convolution that scatters them, whose every output has one weight: D there costs nothing at all. Equalisation of layer
pairs: Nagel et al., "Data-free quantization through weight equalization and bias correction", 2019; here it is exact
since nothing lies between the pair.
"""

from __future__ import annotations

import numpy as np

from compiler.decompose.factors import Factors, followed
from compiler.decompose.row_covariance import RowCovariance


def equalise(factors: Factors, covariance: np.ndarray | RowCovariance) -> Factors:
    """The same kernel, its chain rescaled so that every intermediate channel has unit standard deviation.

    `covariance` (d, d) of the site's input patches, HWIO order.
    """
    chain = list(factors.chain)
    prefix: np.ndarray | None = None
    for index in range(len(chain) - 1):
        role, factor = chain[index]
        prefix = followed(prefix, role, factor)
        spread = loudness(prefix, covariance)
        prefix = prefix / spread
        next_role, following = chain[index + 1]
        chain[index] = (role, factor / (spread[:, None] if role == "depthwise" else spread))
        chain[index + 1] = (next_role, following * spread[:, None])
    sparse = factors.sparse
    return Factors(tuple(chain), sparse, None if sparse is None else loudness(sparse, covariance))


def loudness(prefix: np.ndarray, covariance: np.ndarray | RowCovariance) -> np.ndarray:
    """`channel_spread`, and for silent channels that of the loudest: they are not amplified."""
    spread = np.maximum(channel_spread(prefix, covariance), 1e-12)
    return np.where(spread > 1e-6 * spread.max(), spread, spread.max()).astype(prefix.dtype)


def channel_spread(prefix: np.ndarray, covariance: np.ndarray | RowCovariance) -> np.ndarray:
    """Standard deviation of each output of the kernel `prefix` (h, w, c_in, r), h and w the patch's extent or 1."""
    h, w, c_in, rank = prefix.shape
    columns = len(covariance) // (c_in * h)
    # The patch as h rows of `columns` columns: a prefix as wide as the patch sees all of it, a narrower one a column
    # (vertical) or a single position (first), of which every one is as good: their average.
    if w > 1 or columns == 1:
        seen = covariance
    elif isinstance(covariance, RowCovariance):
        raise ValueError("a chain of a patch so wide is never chosen")
    elif h > 1:
        blocks = covariance.reshape(h, columns, c_in, h, columns, c_in)
        seen = (np.einsum("yxizxj->yizj", blocks) / columns).reshape(h * c_in, -1)
    else:
        seen = np.einsum("pipj->ij", covariance.reshape(columns, c_in, columns, c_in)) / columns
    flat = prefix.reshape(-1, rank)
    return np.sqrt(np.maximum(np.sum(flat * (seen @ flat), axis=0), 0.0))
