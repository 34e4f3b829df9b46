"""How near a kernel's output may lie to an input that nobody needs afterwards.

A kernel that finishes its output row by row, and by the time it writes row y still needs the input from row keep(y) on,
may write into the same memory if every byte it writes lies before every byte it still needs:

    output + (y + 1) · row_out ≤ input + keep(y) · row_in        for each y with keep(y) < h_in

so the input has to begin at least `max_y ((y + 1) · row_out − keep(y) · row_in)` bytes behind the output. Elementwise
kernels are the case of one-byte rows: 0. (Diagonal memory optimisation, https://arxiv.org/abs/2010.01668.)
"""

from __future__ import annotations

from collections.abc import Callable


def row_distance(h_out: int, row_out: int, h_in: int, row_in: int, keep: Callable[[int], int]) -> int:
    """Least offset of the input behind the output, in bytes; negative if the input may begin before it."""
    return max(
        ((y + 1) * row_out - keep(y) * row_in for y in range(h_out) if keep(y) < h_in),
        default=-h_in * row_in,
    )
