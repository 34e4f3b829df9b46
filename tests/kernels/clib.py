"""The C kernels as one shared library, and their structs for ctypes: layouts as in kernels/kernels.h."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from ctypes import POINTER, Structure, Union, c_int8, c_int16, c_int32, c_uint8, c_uint16, c_uint32, c_void_p
from pathlib import Path
from typing import Any

import numpy as np

from kernels import SOURCES

WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
COMPILER = shutil.which("gcc") or shutil.which("cc")


class Conv2D(Structure):
    _fields_ = [
        *[(name, c_void_p) for name in ("row", "weights", "bitmap", "bias", "factors")],
        *[(name, c_uint32) for name in ("factor_high", "factor_low")],
        *[(name, c_uint16) for name in ("h_in", "w_in", "c_in", "h_out", "w_out", "c_out")],
        *[(name, c_uint8) for name in ("k_h", "k_w", "stride_h", "stride_w", "dilation_h", "dilation_w")],
        *[(name, c_uint8) for name in ("pad_top", "pad_left", "b_in", "b_out", "bias_bytes", "factor_bytes")],
        *[(name, c_int8) for name in ("shift", "zero_in", "zero_out", "min", "max")],
    ]


class Add(Structure):
    _fields_ = [
        *[(name, c_int32) for name in ("multiplier_a", "multiplier_b", "multiplier_out")],
        *[(name, c_int8) for name in ("shift_a", "shift_b", "shift_out", "zero_a", "zero_b", "zero_out", "min", "max")],
    ]


class Pool(Structure):
    _fields_ = [
        *[(name, c_uint16) for name in ("h_in", "w_in", "h_out", "w_out", "c")],
        *[(name, c_uint8) for name in ("k_h", "k_w", "stride_h", "stride_w", "pad_top", "pad_left")],
        *[(name, c_int8) for name in ("min", "max")],
    ]


CONV, SUM, AVERAGE = range(3)  # STREAM_CONV, STREAM_SUM, STREAM_AVERAGE


class StreamBy(Union):
    _fields_ = [("conv", POINTER(Conv2D)), ("sum", POINTER(Add)), ("average", POINTER(Pool))]


class StreamStage(Structure):
    _fields_ = [
        ("by", StreamBy),
        *[(name, c_uint32) for name in ("row_bytes", "ring")],
        *[(name, c_uint16) for name in ("ring_rows", "height")],
        *[(name, c_uint8) for name in ("kind", "source", "beside")],  # "from" in C
    ]


class StreamParams(Structure):
    _fields_ = [("stages", POINTER(StreamStage)), ("row_bytes", c_uint32), ("count", c_uint8)]


class FullyConnected(Structure):
    _fields_ = [
        *[(name, c_void_p) for name in ("weights", "bias", "multiplier", "shift")],
        *[(name, c_uint16) for name in ("c_in", "c_out")],
        ("per_channel", c_uint8),
        *[(name, c_int8) for name in ("zero_out", "min", "max")],
    ]


class Mean(Structure):
    _fields_ = [
        *[(name, c_int32) for name in ("positions", "multiplier")],
        *[(name, c_int8) for name in ("shift", "zero_in", "zero_out")],
        ("c", c_uint16),
    ]


class Mul(Structure):
    _fields_ = [
        ("multiplier", c_int32),
        *[(name, c_int8) for name in ("shift", "zero_a", "zero_b", "zero_out", "min", "max")],
    ]


class Pad(Structure):
    _fields_ = [
        *[(name, c_uint16) for name in ("h_in", "w_in", "c_in", "h_out", "w_out", "c_out", "top", "left", "front")],
        ("value", c_int8),
    ]


class Softmax(Structure):
    _fields_ = [("multiplier", c_int32), ("least", c_int32), ("c", c_int16), ("shift", c_int8)]


def compile_library(folder: Path, flags: tuple[str, ...] = ()) -> ctypes.CDLL:
    """All kernels, compiled with every warning an error."""
    assert COMPILER is not None
    library = folder / "kernels.so"
    sources = sorted(map(str, SOURCES.glob("*.c")))
    command = [COMPILER, *WARNINGS, "-O2", "-fPIC", "-shared", *flags, "-o", str(library), *sources]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return ctypes.CDLL(str(library))


class Kept:
    """Arrays whose memory C reads through a struct: pointers of them, as long as this object lives."""

    def __init__(self) -> None:
        self._arrays: list[np.ndarray] = []

    def pointer(self, values: Any, dtype: type) -> c_void_p:
        array = np.ascontiguousarray(values, dtype)
        self._arrays.append(array)
        return c_void_p(array.ctypes.data)


def buffer(array: np.ndarray) -> c_void_p:
    """The memory of a contiguous int8 array."""
    assert array.dtype == np.int8
    assert array.flags.c_contiguous
    return c_void_p(array.ctypes.data)
