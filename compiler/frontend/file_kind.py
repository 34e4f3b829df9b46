"""What a file holds, by its content, not by its suffix; needs neither Keras nor TensorFlow."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from pathlib import Path

import h5py

from compiler.errors import BadInput
from compiler.tflite.flatbuffer import IDENTIFIER

_HDF5, _ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"

# What zipfile, its decompressors and h5py raise over bytes that are not as they were written.
DAMAGE = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
)


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
        except DAMAGE:
            damaged = "it can't be unpacked"
        if damaged is not None:
            raise damaged_file(path, damaged)
        raise BadInput(f"{path} is a zip but not a .keras file; save the model with model.save('network.keras')")
    if head == _HDF5:
        try:
            with h5py.File(path, "r") as file:
                return "hdf5" if "model_config" in file.attrs else "weights"
        except DAMAGE as error:
            raise damaged_file(path, error) from error
    if head[4:] == IDENTIFIER:
        return "tflite"
    converted = path.suffix == ".tflite"
    mend = "give it as the converter wrote it" if converted else "save the model with model.save('network.keras')"
    raise BadInput(f"{path} is neither a .keras nor an HDF5 nor a TFLite file; {mend}")


def damaged_file(path: Path, why: object) -> BadInput:
    """The refusal of a file that is not as it was written; `why`: an error, or what is wrong."""
    return BadInput(f"{path} is damaged or truncated ({' '.join(str(why).split())}); copy it again from its source")
