"""What kernels with zeros in them already cost: a network that was pruned before, or has dead channels, is stored
sparse before anything is compressed, so its layers are no dearer than that."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np

from compiler.backend.sparse_format import encode, smallest
from compiler.run.as_int8 import as_int8
from compiler.surgery.set_kernels import kernel_of
from compiler.types import ConvSite, Inventory

WORTH_A_LOOK = 0.2  # share of zeros below which no encoding is smaller than a dense kernel


def price_zeros(inventory: Inventory, folded: keras.Model) -> Inventory:
    """The sites with `zeros` of the int8 kernels of `folded`, and `encoded` where a sparse encoding is smaller."""
    return replace(inventory, sites=tuple(priced(site, kernel_of(folded, site.name)[0]) for site in inventory.sites))


def priced(site: ConvSite, kernel: np.ndarray) -> ConvSite:
    """`kernel` HWIO."""
    int8, _ = as_int8(kernel)
    zeros = int8.size - np.count_nonzero(int8)
    form = None
    if site.kind == "conv" and zeros >= WORTH_A_LOOK * site.weights:
        ohwi = np.ascontiguousarray(np.moveaxis(int8, 3, 0))
        form = smallest(ohwi)
    return replace(site, zeros=int(zeros), encoded=0 if form is None else encode(ohwi, form).nbytes)
