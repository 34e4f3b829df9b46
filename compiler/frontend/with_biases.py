"""Give every site a bias."""

from __future__ import annotations

import keras
import numpy as np

from compiler.frontend.rebuild import copy_of, rebuild
from compiler.types import Inventory


def with_biases(model: keras.Model, inventory: Inventory) -> keras.Model:
    """A copy of the normal form in which every site has a bias (zero where it had none), so that a compressed
    kernel's mean error can be corrected."""
    replace = {}
    for site in inventory.sites:
        layer = model.get_layer(site.name)
        if not layer.use_bias:
            replace[site.name] = copy_of(layer, use_bias=True)
    biased = rebuild(model, replace)
    for name, copy in replace.items():
        kernel = model.get_layer(name).get_weights()[0]
        copy.set_weights([kernel, np.zeros(kernel.shape[-1], np.float32)])
    return biased
