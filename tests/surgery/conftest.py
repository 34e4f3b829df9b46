"""The network of one convolution that the tests of splitting share."""

from __future__ import annotations

import keras
import pytest
from keras import layers

from compiler.types import Inventory
from tests.frontend import networks
from tests.surgery.cases import normal_form


@pytest.fixture(scope="module")
def one_conv() -> tuple[keras.Model, Inventory]:
    inputs = networks.image(shape=(6, 5, 4))
    return normal_form(keras.Model(inputs, layers.Conv2D(6, 3, padding="same", name="conv")(inputs)))
