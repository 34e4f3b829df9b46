"""The targets that a network is split for, and what is looked at in one that was split."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from compiler.backend.targets import TARGETS
from compiler.frontend.check_equal import random_inputs
from tests.frontend import networks

MOBILE, CORTEX_M, ETHOS_U = TARGETS["mobile"], TARGETS["cortex_m"], TARGETS["ethos_u"]


def assert_equal(reference: keras.Model, model: keras.Model, tolerance: float = 1e-5) -> None:
    inputs = random_inputs(reference)
    expected, found = networks.values(reference, inputs), networks.values(model, inputs)
    assert len(expected) == len(found)
    for index, (a, b) in enumerate(zip(expected, found, strict=True)):
        assert a.shape == b.shape
        assert np.max(np.abs(a - b)) <= tolerance * np.max(np.abs(a)), f"output {index}"


def convs_of(model: keras.Model) -> list[keras.Layer]:
    return [layer for layer in model.layers if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense))]
