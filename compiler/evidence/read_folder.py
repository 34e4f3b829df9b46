"""Examples from a folder of images, a folder for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from compiler.errors import BadInput
from compiler.evidence.dataset import Dataset

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # Pillow's names by number of channels


def read_folder(folder: Path, *, shape: tuple[int | None, ...], flag: str) -> Dataset:
    """uint8 images (n, h, w, channels of `shape`); labelled if they lie in folders, unlabelled if not.

    Images are never resized: how that is done is part of a network's preprocessing, which nobody here knows.
    """
    if len(shape) != 3 or shape[2] not in MODES:
        raise BadInput(f"{flag} {folder} is a folder of images, but the network takes no images; give an .npz file.")
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    loose = _images(folder)
    if classes and loose:
        raise BadInput(f"{flag} {folder} holds images and folders of images; move the images into their classes.")
    if not classes:
        files, labels = loose, None
    else:
        ids = _class_ids([c.name for c in classes], folder, flag)
        found = [(file, id_) for folder_, id_ in zip(classes, ids, strict=True) for file in _images(folder_)]
        files, labels = [f for f, _ in found], np.array([i for _, i in found], np.int64)
    if not files:
        raise BadInput(f"{flag} {folder} holds no images; put them into one folder for each class.")
    height, width, channels = shape
    first = _open(files[0], channels, flag)
    size = (height or first.shape[0], width or first.shape[1])
    x = np.empty((len(files), *size, first.shape[2]), np.uint8)
    for i, file in enumerate(files):
        image = _open(file, channels, flag)
        if image.shape[:2] != size:
            raise BadInput(
                f"{flag} {file} is {image.shape[0]}×{image.shape[1]} pixels, the network takes {size[0]}×{size[1]}; "
                "resize the images as in training."
            )
        x[i] = image
    return Dataset(x=(x,), y=labels, name=folder.name)


def _images(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())


def _class_ids(names: list[str], folder: Path, flag: str) -> list[int]:
    numbered = [n for n in names if n.isdecimal()]
    if numbered and len(numbered) != len(names):
        other = next(n for n in names if not n.isdecimal())
        raise BadInput(
            f"{flag} {folder} mixes class ids ({numbered[0]}) and names ({other}) as folders; use one or the other."
        )
    ids = [int(n) for n in names] if numbered else list(range(len(names)))
    if len(set(ids)) != len(ids):
        raise BadInput(f"{flag} {folder} has two folders of the same class id; merge them.")
    return ids


def _open(file: Path, channels: int | None, flag: str) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            pixels = np.asarray(image.convert(MODES[channels or 3]), np.uint8)
    except (OSError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise BadInput(f"{flag} {file} can't be read as an image ({error}); replace or remove it.") from None
    return pixels[..., None] if pixels.ndim == 2 else pixels
