"""conv2d_hybrid_fused_s8: a chain of convolutions, and beside it a sparse one; requantized at every factor.

    out = last(core(first(x))) + sparse(x)

Fusing changes no value, only what has to be in memory at once: instead of a whole map for each intermediate, the rows
that core's window spans of first's output, and one row of each of the others (`scratch_bytes`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Stage = Callable[[np.ndarray], np.ndarray]
"""One convolution: (h, w, c) int8 to (h', w', c') int8."""


def hybrid(
    x: np.ndarray,
    chain: Sequence[Stage],
    sparse: Stage | None = None,
    add: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """(h_out, w_out, c_out) int8 of x (h, w, c_in) int8; `add` joins the chain's output and the sparse branch's."""
    out = x
    for stage in chain:
        out = stage(out)
    if sparse is None:
        return out
    assert add is not None, "a sparse branch needs a sum"
    return add(out, sparse(x))


def scratch_bytes(
    *,
    ring: tuple[int, int, int] | None,
    span: int,
    rows: Sequence[tuple[int, int]],
    branch: tuple[int, int] | None,
) -> int:
    """Bytes that the kernel needs beside input and output.

    ring    (h, w, c) of first's output, or None without first.
    span    input rows that core's window spans, (k_h − 1) · dilation_h + 1.
    rows    (w, c) of the output of core and of each of the tail, but the last.
    branch  (w, c) of the sparse branch's output, or None.
    """
    held = min(span, ring[0]) * ring[1] * ring[2] if ring else 0
    return held + sum(w * c for w, c in (*rows, *([branch] if branch else [])))
