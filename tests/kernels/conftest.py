"""The C kernels, compiled once a session."""

from __future__ import annotations

import ctypes

import pytest

from tests.kernels.clib import COMPILER, compile_library


@pytest.fixture(scope="session")
def c(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if COMPILER is None:
        pytest.skip("needs a C compiler to compile the kernels")
    return compile_library(tmp_path_factory.mktemp("kernels"))
