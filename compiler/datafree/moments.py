"""What each layer sees: mean and covariance of its input patches over a batch of inputs.

μ = E[a],   Σ = E[(a − μ)(a − μ)ᵀ]         a: the (k_h·k_w·c_in) patch of one output position

Patches too wide for a d×d matrix keep the rows that Σ would be taken over (`RowCovariance`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from compiler.datafree.patches import choose_rows, is_wide, patches
from compiler.datafree.walk import apply, walk
from compiler.decompose.row_covariance import RowCovariance
from compiler.decompose.shrinkage import chance, fourth_moment
from compiler.frontend.graph import Call
from compiler.types import ConvSite, Inventory

CHUNK = 32768  # patch rows in memory at once


@dataclass(frozen=True, eq=False)
class Moments:
    """`mean` (d,), `covariance` (d, d), how much of that is chance (0 to 1), and the number of patches."""

    mean: np.ndarray
    covariance: np.ndarray | RowCovariance
    chance: float
    rows: int


def moments(model: keras.Model, inputs: Sequence[np.ndarray], inventory: Inventory, seed: int) -> dict[str, Moments]:
    """Moments of every site's input over `inputs` (one float32 array (n, …) per model input)."""
    sites: Mapping[str, ConvSite] = {site.name: site for site in inventory.sites}
    sums: dict[str, Sums] = {}
    wide: dict[str, list[np.ndarray]] = {}

    def visit(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        site = sites.get(call.name)
        if site is not None and is_wide(site):
            x = np.asarray(args[0])
            wide.setdefault(site.name, []).append(patches(x, site, choose_rows(x, site, seed)))
        elif site is not None:  # a shared layer sees the patches of all its calls
            sums[site.name] = add_patches(sums.get(site.name), np.asarray(args[0]), site, seed)
        return apply(call, args, kwargs)

    walk(model, [keras.ops.convert_to_tensor(x) for x in inputs], visit)
    return {name: of_sums(s) for name, s in sums.items()} | {
        name: of_rows(np.concatenate(rows)) for name, rows in wide.items()
    }


def of_rows(rows: np.ndarray) -> Moments:
    """Moments of patches (n, d) that are kept themselves."""
    mean, centred = centred_rows(rows)
    covariance = RowCovariance(centred)
    return Moments(mean, covariance, chance(covariance, fourth_moment(rows - mean), len(rows)), len(rows))


def centred_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(μ, R): the mean, and the rows about it divided by √n."""
    mean = rows.mean(0, dtype=np.float64).astype(np.float32)
    return mean, (rows - mean) / np.float32(np.sqrt(len(rows)))


@dataclass(frozen=True, eq=False)
class Sums:
    """Σ (a − o), Σ (a − o)(a − o)ᵀ, Σ ‖a − o‖⁴ and their number, about an `origin` o near the mean: E[aaᵀ] − μμᵀ of
    patches that vary little about a large mean would be the rounding of two large numbers."""

    origin: np.ndarray
    total: np.ndarray
    outer: np.ndarray
    fourth: float
    rows: int


def add_patches(sums: Sums | None, x: np.ndarray, site: ConvSite, seed: int) -> Sums:
    """`sums` (None: of nothing yet) and those over the chosen patches of one input tensor."""
    chosen = choose_rows(x, site, seed)
    for start in range(0, len(chosen), CHUNK):
        a = patches(x, site, chosen[start : start + CHUNK])
        origin = a.mean(0) if sums is None else sums.origin
        a -= origin
        total, outer, fourth, rows = a.sum(0, dtype=np.float64), a.T @ a, fourth_moment(a), len(a)
        if sums is not None:
            total, outer = sums.total + total, sums.outer + outer
            fourth, rows = sums.fourth + fourth, sums.rows + rows
        sums = Sums(origin, total, outer, fourth, rows)
    assert sums is not None, "at least one patch"
    return sums


def of_sums(sums: Sums) -> Moments:
    off = sums.total / sums.rows
    covariance = sums.outer / sums.rows - np.outer(off, off)
    mean = (sums.origin + off).astype(np.float32)
    return Moments(mean, covariance.astype(np.float32), chance(covariance, sums.fourth, sums.rows), sums.rows)
