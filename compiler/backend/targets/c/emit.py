"""The C target as a folder on disk: all of its files or none."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from compiler.backend.targets.c.compose import MOST_KEPT, Emitted, compose
from compiler.errors import BadInput


def emit(
    tflite: bytes, folder: Path, *, name: str = "model", most_kept: float = MOST_KEPT, fuse: bool = True
) -> Emitted:
    """Write the network to `folder` (made if it isn't there): what `compose` makes of it, and raises."""
    emitted = compose(tflite, name=name, most_kept=most_kept, fuse=fuse)
    _write(folder, emitted.texts)
    return emitted


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    """All files or none: they are written aside, then moved into place."""
    aside = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        for name, text in texts.items():
            (aside / name).write_text(text, encoding="utf-8")
        folder.mkdir(exist_ok=True)
        for name in texts:
            (aside / name).replace(folder / name)
    except OSError as error:
        raise BadInput(
            f"can't write the C network to {folder} ({error.strerror}): give a folder that can be"
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
