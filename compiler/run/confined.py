"""The target as compressed files have it: its tool is told how much RAM they may take, where it can choose."""

from __future__ import annotations

from compiler.backend.targets.target import Target


def confined(target: Target, original_arena: float, allowed: int | None) -> Target:
    """As much as the original takes, or as `--max_arena_bytes` has allowed."""
    return target.within(original_arena if allowed is None else allowed)
