"""What each site sees of some inputs: means only, for methods that need no more.

μ = E[a]        m_i = E|x_i|        a: the patch of one output position, x_i: one input channel
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from compiler.datafree.patches import patches
from compiler.datafree.walk import apply, walk
from compiler.frontend.graph import Call
from compiler.types import Inventory

IMAGES = 64  # at once


@dataclass(frozen=True, eq=False)
class Seen:
    """`mean` (k_h·k_w·c_in,) of the patches, `loudness` (c_in,): mean absolute value of each input channel."""

    mean: np.ndarray
    loudness: np.ndarray


def see(model: keras.Model, inputs: Sequence[np.ndarray], inventory: Inventory) -> dict[str, Seen]:
    """Of every site, over all `inputs` (one array (n, …) per model input); a shared layer sees all its calls."""
    sites = {site.name: site for site in inventory.sites}
    found: dict[str, list[tuple[np.ndarray, np.ndarray, int]]] = {name: [] for name in sites}

    def visit(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        site = sites.get(call.name)
        if site is not None:
            x = np.asarray(args[0])
            rows = patches(x, site)
            channels = np.abs(x).reshape(-1, site.c_in)
            found[site.name].append((rows.mean(0, dtype=np.float64), channels.mean(0, dtype=np.float64), len(rows)))
        return apply(call, args, kwargs)

    for start in range(0, len(inputs[0]), IMAGES):
        walk(model, [keras.ops.convert_to_tensor(x[start : start + IMAGES]) for x in inputs], visit)
    return {name: averaged(parts) for name, parts in found.items()}


def averaged(parts: list[tuple[np.ndarray, np.ndarray, int]]) -> Seen:
    means, loudness, rows = (np.array(column) for column in zip(*parts, strict=True))
    share = rows / rows.sum()
    return Seen((share @ means).astype(np.float32), (share @ loudness).astype(np.float32))
