"""Menus as JSON, so that a second budget for the same network starts at the solver."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

from compiler.run.cache import Cache
from compiler.types import Candidate, Choice, Cost

Menus = dict[str, tuple[Candidate, ...]]


def cached_menus(key: str, cache: Cache, make: Callable[[], Menus]) -> Menus:
    """The menus under `key`, made and stored where they are not there."""
    stored = stored_menus(key, cache)
    if stored is not None:
        return stored
    made = make()
    content = {
        name: [
            (asdict(c.choice), (c.cost.weight_bytes, c.cost.file_bytes, c.cost.macs), c.predicted_loss) for c in entries
        ]
        for name, entries in made.items()
    }
    cache.put(key, json.dumps(content).encode())
    return made


def stored_menus(key: str, cache: Cache) -> Menus | None:
    """The menus under `key`; None where they were never made."""
    stored = cache.get(key)
    if stored is None:
        return None
    return {
        name: tuple(
            Candidate(
                Choice(
                    c["chain"],
                    tuple(c["ranks"]),
                    c["structure"],
                    tuple(c["block"]) if c["block"] else None,
                    c["kept"],
                    c["bits"],
                ),
                Cost(*cost),
                loss,
            )
            for c, cost, loss in entries
        )
        for name, entries in json.loads(stored).items()
    }
