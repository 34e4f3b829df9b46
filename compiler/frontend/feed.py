"""Inputs in the structure that a model was built with: a list of one is not a tensor to Keras, which warns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


def feed(model: keras.Model, inputs: Sequence[Any]) -> Any:
    """One value per model input, packed as `model(…)` wants them (a tensor, a list, a dict)."""
    return keras.tree.pack_sequence_as(model._inputs_struct, list(inputs))
