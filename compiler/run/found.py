"""What a search comes to."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.result import Evidence
from compiler.run.session import Built


@dataclass(frozen=True, eq=False)
class Found:
    """The plan carried out, what it loses on the report half, and how the search came to it.

    `tried`: (share kept of the budget's unit, loss) of every file that the search measured.
    """

    built: Built
    evidence: Evidence
    search_loss: float | None = None
    evaluations: int = 0
    notes: tuple[str, ...] = ()
    tried: tuple[tuple[float, float], ...] = ()
    replayed: bool = False
