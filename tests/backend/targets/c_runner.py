"""Compile what the C target emits, with every warning an error, and run it."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from kernels import SOURCES
from tests.kernels.clib import COMPILER, WARNINGS

SANITIZERS = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []  # of compiled kernels, as long as the session


def compile_network(folder: Path, flags: tuple[str, ...] = SANITIZERS) -> Path:
    """The sample, as an executable. The kernels, which are the same in every folder, are compiled once a session."""
    assert COMPILER is not None
    executable = folder / "sample"
    own = [str(p) for p in sorted(folder.glob("*.c")) if not (SOURCES / p.name).exists()]
    kernels = [o for o in _compiled_kernels(flags) if (folder / f"{Path(o).stem}.c").exists()]
    command = [COMPILER, *WARNINGS, "-Wconversion", "-Wshadow", *flags, "-o", str(executable), *own, *kernels]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return executable


def run_network(executable: Path, inputs: np.ndarray) -> np.ndarray:
    """(n, outputs) int8 of n inputs."""
    result = subprocess.run([str(executable)], input=inputs.astype(np.int8).tobytes(), capture_output=True, check=True)
    rows = [row.split() for row in result.stdout.decode().splitlines()]
    return np.array(rows, np.int64).astype(np.int8).reshape(len(inputs), -1)


@functools.cache
def _compiled_kernels(flags: tuple[str, ...]) -> tuple[str, ...]:
    """An object file for each kernel."""
    assert COMPILER is not None
    _FOLDERS.append(tempfile.TemporaryDirectory())
    sources = sorted(map(str, SOURCES.glob("*.c")))
    command = [COMPILER, *WARNINGS, "-Wconversion", "-Wshadow", *flags, "-c", *sources]
    subprocess.run(command, check=True, capture_output=True, text=True, cwd=_FOLDERS[-1].name)
    return tuple(sorted(map(str, Path(_FOLDERS[-1].name).glob("*.o"))))
