"""Every site with a bias that TFLite has to store: what a file of compressed layers spends on biases.

TFLite stores equal biases once, and a Dense's that is zero not at all. Networks that are normalized in front of their
convolutions have zeros in most places; fitting and rounding give each layer a bias of its own.
"""

from __future__ import annotations

import keras
import numpy as np

from compiler.frontend.rebuild import rebuild
from compiler.surgery.set_kernels import kernel_of, set_kernels
from compiler.types import Inventory


def fill_biases(model: keras.Model, inventory: Inventory) -> keras.Model:
    """A copy of `model` whose sites have biases as large as their weights, so that they are no zeros in int32, and no
    two equal. It computes something else: only its size tells."""
    filled, random = rebuild(model, {}), np.random.default_rng(0)
    for site in inventory.sites:
        kernel, bias = kernel_of(filled, site.name)
        largest = float(np.abs(kernel).max()) or 1.0
        set_kernels(filled, {site.name: (kernel, largest * random.uniform(0.5, 1.0, bias.shape).astype(np.float32))})
    return filled
