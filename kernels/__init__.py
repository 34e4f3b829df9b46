"""int8 kernels in portable C99, beside a numpy reference for each: see docs/kernels.md."""

from __future__ import annotations

from pathlib import Path

SOURCES = Path(__file__).resolve().parent
"""Folder of the `*.c` and `*.h` files."""
