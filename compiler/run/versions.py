"""Of everything that the bytes depend on: part of every report, and of the key of everything that is cached."""

from __future__ import annotations

import importlib.metadata
import os
import platform

PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "ai-edge-litert", "flatbuffers")


def versions() -> tuple[tuple[str, str], ...]:
    """(name, version) of Python and the packages, and whether oneDNN's kernels are on."""
    found = [("python", platform.python_version())]
    found += [(name, importlib.metadata.version(name)) for name in PACKAGES]
    found.append(("onednn", os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default")))
    return tuple(found)
