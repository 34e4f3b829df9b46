"""A file that fine-tuning made larger than was asked for is reported, limit by limit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from compiler.run.broken_limits import broken_limits


def session(max_file_bytes: int | None, max_arena_bytes: int | None) -> Any:
    """A run with these flags, whose files need 900 bytes of RAM."""
    options = SimpleNamespace(
        budget="params", max_file_bytes=max_file_bytes, max_arena_bytes=max_arena_bytes, max_latency_ratio=None
    )
    seen = SimpleNamespace(arena_bytes=900, time=1.0, time_label="estimate", time_error=0.0, time_ratio=None)
    target = SimpleNamespace(measure=lambda *_: seen)
    return SimpleNamespace(options=options, confined=target, reference=SimpleNamespace(figures=seen, inputs=()))


@pytest.mark.parametrize(
    ("file_limit", "arena_limit", "said"),
    [
        (None, None, []),
        (1000, 900, []),
        (990, 900, ["10 more than --max_file_bytes 990"]),
        (990, 800, ["10 more than --max_file_bytes 990", "100 more than --max_arena_bytes 800"]),
    ],
)
def test_each_broken_limit_is_said(file_limit: int | None, arena_limit: int | None, said: list[str]) -> None:
    emitted: Any = SimpleNamespace(tflite=b"", figures=SimpleNamespace(file_bytes=1000))
    found = broken_limits(session(file_limit, arena_limit), emitted)
    assert len(found) == len(said)
    assert all(part in sentence for part, sentence in zip(said, found, strict=True))
