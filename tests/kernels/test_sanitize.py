"""No kernel reads or writes outside its arrays, or relies on undefined behaviour; with SIMD and without."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest

from kernels import SOURCES
from tests.kernels.clib import COMPILER, WARNINGS

X86 = platform.machine() in ("x86_64", "AMD64")


@pytest.mark.skipif(COMPILER is None, reason="needs a C compiler to compile the kernels")
@pytest.mark.parametrize(
    "flags",
    [
        (),
        pytest.param(
            ("-DKERNELS_SIMD=1", "-msse4.1"), marks=pytest.mark.skipif(not X86, reason="needs an x86 processor")
        ),
    ],
)
def test_kernels_under_the_sanitizers(tmp_path: Path, flags: tuple[str, ...]) -> None:
    assert COMPILER is not None
    sources = [str(Path(__file__).with_name("sanitize.c")), *map(str, sorted(SOURCES.glob("*.c")))]
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    command = [COMPILER, *WARNINGS, "-O1", *sanitizers, *flags, f"-I{SOURCES}", "-o", "sanitize", *sources]
    compiled = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stderr
    done = subprocess.run([str(tmp_path / "sanitize")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"
