"""Examples from a numpy archive; nothing in it is ever unpickled."""

from __future__ import annotations

import lzma
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from compiler.errors import BadInput
from compiler.evidence.dataset import Dataset

# What zipfile, its decompressors and numpy raise over bytes that are not as they were written; a header that is read
# wrongly may ask for any amount of memory.
DAMAGE = (
    *(OSError, RuntimeError, KeyError, ValueError, TypeError, SyntaxError, EOFError, MemoryError, OverflowError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, tokenize.TokenError),
)


def read_npz(path: Path, *, inputs: int, flag: str) -> Dataset:
    """`x`, or `x0`, `x1`, … for a network of several inputs, and `y` if it is there."""
    keys = ["x"] if inputs == 1 else [f"x{i}" for i in range(inputs)]
    try:
        with path.open("rb") as file:  # numpy leaves a file open that turns out to be broken
            archive = np.load(file, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise BadInput(f"{flag} {path} is a single array (.npy); save it with np.savez(path, x=…).")
            missing = [k for k in keys if k not in archive]
            if missing:
                arrays = ", ".join(f"{k}=…" for k in (*keys, "y"))
                raise BadInput(
                    f"{flag} {path} holds {', '.join(repr(f)[1:-1] for f in archive.files) or 'nothing'} but no "
                    f"{missing[0]}; "
                    f"save the examples with np.savez(path, {arrays}), y where there are labels."
                )
            x, y = tuple(archive[k] for k in keys), archive.get("y")
    except DAMAGE as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        if "pickle" in why:
            raise BadInput(f"{flag} {path} holds Python objects, not numbers; save plain arrays.") from None
        raise BadInput(f"{flag} {path} can't be read as an .npz file ({why}); save it again.") from None
    for array in x:
        if array.ndim == 0:
            raise BadInput(f"{flag} {path} has a single number as x; store an array of shape (examples, …).")
    return Dataset(x=x, y=y, name=path.name)
