"""Networks as plain C99: `compose` in memory, `emit` on disk."""

from __future__ import annotations

from compiler.backend.targets.c.compose import Emitted, compose
from compiler.backend.targets.c.emit import emit

__all__ = ["Emitted", "compose", "emit"]
