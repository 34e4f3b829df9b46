"""Which tests need a tool that not every Python has."""

from __future__ import annotations

import importlib.util

import pytest

XMOS = pytest.mark.skipif(
    importlib.util.find_spec("xmos_ai_tools") is None, reason="xmos-ai-tools needs numpy below 2 (Python 3.11 or 3.12)"
)
