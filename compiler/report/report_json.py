"""The report as JSON: every field of `Result`, under the names that they have there."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from compiler.report.headline import headline
from compiler.result import Result

# Tuples of (name, value), written as objects.
_PAIRS = ("versions", "gates", "settings", "operators", "extra", "tool_files")


def report_json(result: Result) -> str:
    """Text of `<name>.report.json`; numbers that JSON has no word for (infinite, not a number) become null."""
    report = {
        "schema_version": result.schema_version,
        "headline": headline(result),
        "kept": result.kept,
        **asdict(result),
    }
    return json.dumps(_plain(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {k: _plain(v, k) for k, v in value.items()}
    if key in _PAIRS:
        return {name: _plain(v) for name, v in value}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
