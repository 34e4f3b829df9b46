"""A Keras model in memory, read as if it came from a file: the same checks and refusals, and the model stays as it is.

Keras writes and reads it back, so the copy shares no variable with the user's.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras

from compiler.errors import BadInput, CompilerError
from compiler.frontend.load import load


def reload(model: keras.Model, *, input_shape: tuple[int, ...] | None = None) -> keras.Model:
    """A copy of `model`, uncompiled, as `load` gives it. Raises what `load` raises, in the name of the model."""
    if not isinstance(model, keras.Model):
        raise BadInput(f"{type(model).__name__} is no Keras model; give a keras.Model or the path of a saved one.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.keras"
        try:
            model.save(path)
        except Exception as error:
            first = str(error).strip().split("\n")[0][:160]
            raise BadInput(
                f"the model '{model.name}' can't be saved by Keras {keras.__version__} ({first}), so it can't be read; "
                "mend it until model.save('network.keras') works."
            ) from error
        try:
            return load(path, input_shape=input_shape)
        except CompilerError as error:
            raise type(error)(str(error).replace(str(path), f"the model '{model.name}'")) from None
