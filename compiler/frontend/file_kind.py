"""What a file holds, by its content, not by its suffix; needs neither Keras nor TensorFlow."""

from __future__ import annotations

import zipfile
from pathlib import Path

import h5py

from compiler.errors import BadInput
from compiler.tflite.flatbuffer import IDENTIFIER

_HDF5, _ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"


def file_kind(path: Path) -> str:
    """One of "archive" (`.keras`), "hdf5" (a whole model), "weights" and "tflite".

    Raises BadInput for a file that is missing, damaged or none of them.
    """
    if path.is_dir():
        raise BadInput(f"{path} is a folder (a SavedModel?); save the model with model.save('network.keras')")
    if not path.is_file():
        raise BadInput(f"{path} does not exist; check --input_path")
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise BadInput(f"{path} can't be read ({error.strerror}); check its permissions") from error
    if head.startswith(_ZIP):
        try:
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()
                if damaged is None and "config.json" in archive.namelist():
                    return "archive"
        except zipfile.BadZipFile:
            damaged = "its table of contents"
        if damaged is not None:
            raise BadInput(f"{path} is damaged or truncated ({damaged}); copy it again from its source")
        raise BadInput(f"{path} is a zip but not a .keras file; save the model with model.save('network.keras')")
    if head == _HDF5:
        try:
            with h5py.File(path, "r") as file:
                return "hdf5" if "model_config" in file.attrs else "weights"
        except OSError as error:
            raise BadInput(f"{path} is damaged or truncated ({error}); copy it again from its source") from error
    if head[4:] == IDENTIFIER:
        return "tflite"
    raise BadInput(
        f"{path} is neither a .keras nor an HDF5 nor a TFLite file; save the model with model.save('network.keras')"
    )
