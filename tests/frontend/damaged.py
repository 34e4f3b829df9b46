"""Copies of a file with a few bytes changed, or cut off."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def damaged(whole: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """`count` of them: one to three random bytes each, every seventh truncated as well."""
    random = np.random.default_rng(seed)
    for index in range(count):
        copy = bytearray(whole)
        for place in random.integers(0, len(copy), random.integers(1, 4)):
            copy[place] = random.integers(0, 256)
        yield bytes(copy[: random.integers(1, len(copy))] if index % 7 == 0 else copy)
