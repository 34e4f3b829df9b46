"""Shapes of the kernels that a file stores, read without Keras: enough to refuse blocks that divide none."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import h5py

from compiler.frontend.file_kind import DAMAGE

WEIGHTS = "model.weights.h5"


def kernel_shapes(path: Path, kind: str) -> tuple[tuple[int, ...], ...] | None:
    """Shapes HWIO of all arrays of four axes in a file of this `file_kind`, depthwise kernels among them, in the order
    in which they are stored; None where they can't be told so cheaply."""
    if kind == "tflite":
        return None
    try:
        if kind != "archive":
            with h5py.File(path, "r") as file:
                return shapes_in(file)
        with zipfile.ZipFile(path) as archive:
            if WEIGHTS not in archive.namelist():
                return None
            content = io.BytesIO(archive.read(WEIGHTS))
        with h5py.File(content, "r") as file:
            return shapes_in(file)
    except DAMAGE:  # Keras says better what is wrong with it
        return None


def shapes_in(file: h5py.File) -> tuple[tuple[int, ...], ...]:
    found: list[tuple[int, ...]] = []
    file.visititems(lambda name, item: found.append(item.shape) if isinstance(item, h5py.Dataset) else None)
    return tuple(shape for shape in found if len(shape) == 4)
