"""An emitted network, compiled and run by this machine's C compiler."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from compiler.backend.targets.c.compose import Emitted
from compiler.backend.targets.tool import TIMEOUT_S, run_tool
from compiler.errors import CheckFailed

COMPILERS = ("cc", "gcc", "clang")


def host_compiler() -> str | None:
    """The compiler that this machine has, if any."""
    return next((name for name in COMPILERS if shutil.which(name)), None)


def run_on_host(emitted: Emitted, inputs: np.ndarray, compiler: str) -> np.ndarray:
    """Outputs (n, outputs) int8 of inputs (n, …) int8. Raises CheckFailed where the network doesn't compile or run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in emitted.texts.items():
            (folder / file).write_text(text, encoding="utf-8")
        sources = [file for file in emitted.files if file.endswith(".c")]
        run_tool([compiler, "-std=c99", "-O2", "-o", "sample", *sources], compiler, folder)
        given = np.ascontiguousarray(inputs, np.int8).tobytes()
        try:
            done = subprocess.run([str(folder / "sample")], input=given, capture_output=True, timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise CheckFailed(f"the emitted C did not end within {TIMEOUT_S} s: give it a smaller network") from None
    rows = [row.split() for row in done.stdout.decode().splitlines()]
    if done.returncode or len(rows) != len(inputs):
        raise CheckFailed(f"the emitted C broke off ({done.returncode}) after {len(rows)} inputs: report this network")
    return np.array(rows, np.int64).astype(np.int8)
