"""All files of a run or none: each is written beside its place under a temporary name, then all are renamed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from compiler.errors import BadInput
from compiler.run.uninterrupted import uninterrupted

WRITTEN = "every file had been written."


def write_files(contents: Mapping[Path, bytes], folders: Iterable[Path] = ()) -> None:
    """Write every file; on an error the old ones stay whole. `folders` that are not there are made, and taken away
    again when nothing is written. Raises BadInput where a folder refuses, and KeyboardInterrupt(WRITTEN) for an
    interrupt that came too late."""
    staged: dict[Path, Path] = {}
    made: list[Path] = []
    written = False
    try:
        for path in folders:
            if not path.is_dir():
                path.mkdir()
                made.append(path)
        for path, content in contents.items():
            if path.is_dir():  # found out by `replace`, after others have been
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            staged[path] = path.with_name(f".{path.name}.{os.getpid()}.part")
            with open(staged[path], "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        with uninterrupted():
            for path, part in staged.items():
                os.replace(part, path)
            made.clear()
            written = True
    except OSError as error:
        raise BadInput(
            f"'{path}' can't be written ({error.strerror}); free the disk or choose another --output_path."
        ) from None
    except KeyboardInterrupt:
        raise KeyboardInterrupt(*([WRITTEN] if written else [])) from None
    finally:
        for part in staged.values():
            part.unlink(missing_ok=True)
        for path in made:
            path.rmdir()
