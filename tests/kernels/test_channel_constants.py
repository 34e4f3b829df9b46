"""Biases and factors as C reads them: to the last bit, which an int8 output hardly ever shows."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.backend.shorten_scales import rounded
from kernels import SOURCES
from kernels.reference.channel_constants import COARSE_BITS, FRACTION_BITS, pack_bias, pack_factors
from kernels.reference.requantize import quantize_multiplier
from tests.kernels.clib import COMPILER, WARNINGS, Conv2D, Kept

CHANNELS = 20


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if COMPILER is None:
        pytest.skip("needs a C compiler")
    library = tmp_path_factory.mktemp("constants") / "constants.so"
    source = Path(__file__).with_name("channel_constants.c")
    command = [COMPILER, *WARNINGS, "-O2", "-fPIC", "-shared", f"-I{SOURCES}", "-o", str(library), str(source)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return ctypes.CDLL(str(library))


def test_c_reads_what_was_packed(read: ctypes.CDLL) -> None:
    seen = set()

    @settings(max_examples=300, deadline=None)
    @given(
        seed=st.integers(0, 2**32 - 1),
        form=st.sampled_from(["one", "coarse", "short", "long"]),
        bits=st.integers(1, 31),
        step_in=st.floats(2.0**-20, 2.0**6, width=32),
        step_out=st.floats(2.0**-20, 2.0**6, width=32),
    )
    def check(seed: int, form: str, bits: int, step_in: float, step_out: float) -> None:
        rng = np.random.default_rng(seed)
        spread = 3 if form == "coarse" else 5
        scales = np.exp2(rng.uniform(-spread, spread, 1 if form == "one" else CHANNELS)) * step_out / step_in / 1000
        if form in ("coarse", "short"):
            scales = rounded(scales, COARSE_BITS if form == "coarse" else FRACTION_BITS)
        scales = np.broadcast_to(scales, CHANNELS).astype(np.float32)
        multiplier, shift = np.array([quantize_multiplier(step_in * float(s) / step_out) for s in scales]).T
        factors = pack_factors(multiplier, shift, scales, step_in / step_out)
        bias = rng.integers(-(2**bits), 2**bits, CHANNELS)
        stored, bias_bytes = pack_bias(bias)
        seen.add((factors.bytes, bias_bytes))
        kept = Kept()
        conv = Conv2D(
            bias=kept.pointer(stored, stored.dtype),
            factors=None if factors.stored is None else kept.pointer(factors.stored, factors.stored.dtype),
            factor_high=factors.high,
            factor_low=factors.low,
            bias_bytes=bias_bytes,
            factor_bytes=factors.bytes,
            shift=factors.shift,
        )
        found = np.zeros((3, CHANNELS), np.int32)
        pointers = [ctypes.c_void_p(row.ctypes.data) for row in found]
        read.channel_constants(ctypes.byref(conv), CHANNELS, *pointers)
        assert np.array_equal(found, [bias, multiplier, shift])

    check()
    assert seen >= {(f, b) for f in (0, 1, 2, 5) for b in (2, 3, 4)}
