"""Weights that no output can show are zero.

A channel that training has given up keeps weights of 1e-30 beside a bias of ordinary size: weight decay shrinks them,
and a BatchNorm folds them smaller still. In float32 the channel puts out its bias whatever comes in,

    |Σ w x| ≤ max|x| · Σ|w| < ½ ulp(b)      where Σ|w| ≤ QUIET |b|, for inputs up to some hundreds,

and the converter stores zeros in its place. Zero here, it is priced, kept and dropped as what it is.
"""

from __future__ import annotations

import keras
import numpy as np

from compiler.types import Inventory

QUIET = 1e-10


def silence(model: keras.Model, inventory: Inventory) -> None:
    """Zero such channels of all sites of `model`, in place; each has a bias."""
    for site in inventory.sites:
        layer = model.get_layer(site.name)
        kernel, bias = layer.get_weights()
        sizes = np.abs(kernel).reshape(-1, kernel.shape[-1]).sum(axis=0)
        quiet = (sizes > 0) & (sizes <= QUIET * np.abs(bias))
        if np.any(quiet):
            layer.set_weights([np.where(quiet, np.float32(0), kernel), bias])
