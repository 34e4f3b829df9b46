"""Equal arrays are defined once: a layer that the network applies twice has its weights in flash once."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from compiler.backend.targets.c.ctext import C_TYPES

ARRAY = re.compile(r"static const (\w+) (\w+)\[(\d+)\] = (\{.*?\});\n", re.DOTALL)
SIZES = {text: dtype.itemsize for dtype, text in C_TYPES.items()}


def share_constants(definitions: Iterable[str]) -> tuple[list[str], int]:
    """The same definitions, in which an array that equals an earlier one is that one; and the bytes saved."""
    first: dict[tuple[str, str], str] = {}  # (type, values) → name
    shared: list[str] = []
    saved = 0
    for text in definitions:
        instead: dict[str, str] = {}
        for kind, name, count, values in ARRAY.findall(text):
            if (known := first.setdefault((kind, values), name)) != name:
                instead[name] = known
                saved += SIZES[kind] * int(count)
        for name, known in instead.items():
            text = re.sub(rf"static const \w+ {name}\[\d+\] = {{.*?}};\n", "", text, flags=re.DOTALL)
            text = re.sub(rf"\b{name}\b", known, text)
        shared.append(text)
    return shared, saved


def distinct(arrays: Iterable[tuple[np.ndarray, int]]) -> list[tuple[np.ndarray, int]]:
    """The arrays that `share_constants` leaves, each with what stands beside it."""
    return list({(array.dtype.str, array.tobytes()): (array, beside) for array, beside in arrays}.values())
