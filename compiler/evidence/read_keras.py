"""Test sets of keras.datasets, downloaded by Keras on first use."""

from __future__ import annotations

import importlib

from compiler.errors import BadInput
from compiler.evidence.dataset import Dataset


def read_keras(name: str, *, flag: str) -> Dataset:
    """The test part of `keras.datasets.<name>`: uint8 (n, h, w, channels) with class ids."""
    source = importlib.import_module(f"keras.datasets.{name}")
    try:
        _, (x, y) = source.load_data()
    except Exception as error:  # Keras raises bare Exception where a download fails
        raise BadInput(
            f"{flag} {name} could not be downloaded ({error}); connect to the network, or give the images as .npz."
        ) from None
    return Dataset(x=(x if x.ndim == 4 else x[..., None],), y=y.reshape(-1), name=f"{name} (test)")
