"""What kernels with zeros in them already cost: a network that was pruned before, or has dead channels, is stored
sparse before anything is compressed, so its layers are no dearer than that."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np

from compiler.backend.sparse_format import encode, smallest
from compiler.surgery.set_kernels import kernel_of
from compiler.types import ConvSite, Inventory

WORTH_A_LOOK = 0.2  # share of zeros below which no encoding is smaller than a dense kernel


def price_zeros(inventory: Inventory, folded: keras.Model) -> Inventory:
    """The sites with `encoded` set where the int8 kernel of `folded` is smaller in a sparse encoding."""
    return replace(inventory, sites=tuple(priced(site, kernel_of(folded, site.name)[0]) for site in inventory.sites))


def priced(site: ConvSite, kernel: np.ndarray) -> ConvSite:
    """`kernel` HWIO."""
    if site.kind != "conv" or site.zeros < WORTH_A_LOOK * site.weights:
        return site
    scale = np.max(np.abs(kernel), axis=(0, 1, 2)) / 127
    int8 = np.rint(kernel / np.where(scale > 0, scale, 1)).astype(np.int8)
    ohwi = np.ascontiguousarray(np.moveaxis(int8, 3, 0))
    form = smallest(ohwi)
    return site if form is None else replace(site, encoded=encode(ohwi, form).nbytes)
