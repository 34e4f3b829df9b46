"""Networks as plain C99: `emit`."""

from __future__ import annotations

from compiler.backend.targets.c.emit import Emitted, emit

__all__ = ["Emitted", "emit"]
