"""What is costly and depends on inputs alone is kept, under a key that names all of them.

An entry's name is the SHA-256 of the model's hash, the settings, and the source code and the versions that made it;
its first line is the SHA-256 of the rest, so that a damaged one is noticed and made anew. Entries are written under a
temporary name and renamed, so two runs can share the folder. The oldest go when the folder outgrows LIMIT_BYTES.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from pathlib import Path

from compiler.run.versions import versions

LIMIT_BYTES = 2_000_000_000
SHARED = ("types.py", "run/configure_tensorflow.py")  # by all rooms: their values, and how TensorFlow computes them


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/datafree-hybrid-compiler`, by default under `~/.cache`."""
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(root) / "datafree-hybrid-compiler"


def key_of(*parts: object, rooms: tuple[str, ...] = ()) -> str:
    """Name of an entry: a hash of `parts`, of what is installed, and of the source of the compiler's `rooms`
    ("datafree", "solver", …) and of what all of them share."""
    digest = hashlib.sha256(repr((parts, versions())).encode())
    compiler = Path(__file__).parents[1]
    for room in rooms:
        shared = (file for name in SHARED for file in compiler.glob(name))
        for file in (*sorted((compiler / room).rglob("*.py")), *shared):
            digest.update(file.read_bytes())
    return digest.hexdigest()


class Cache:
    """A folder of entries; `enabled=False` neither reads nor writes."""

    def __init__(self, folder: Path | None = None, *, enabled: bool = True) -> None:
        self.folder = folder or cache_folder()
        self.enabled = enabled

    def get(self, key: str) -> bytes | None:
        """The content stored under `key`, or None where there is none or it is damaged."""
        path = self.folder / key
        if not self.enabled or not path.is_file():
            return None
        try:
            checksum, _, content = path.read_bytes().partition(b"\n")
            os.utime(path)
        except OSError:
            return None
        return content if hashlib.sha256(content).hexdigest().encode() == checksum else None

    def put(self, key: str, content: bytes) -> None:
        """Keep `content`; a folder that can't be written costs the next run time, not this one its result."""
        if not self.enabled:
            return
        part = self.folder / f".{key}.{uuid.uuid4().hex}.part"  # processes of two machines may share a number
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
            os.replace(part, self.folder / key)
            self._trim()
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    def _trim(self) -> None:
        entries = sorted(
            (p for p in self.folder.iterdir() if p.is_file()), key=lambda p: p.stat().st_mtime, reverse=True
        )
        total = 0
        for entry in entries:
            total += entry.stat().st_size
            if total > LIMIT_BYTES:
                entry.unlink(missing_ok=True)
