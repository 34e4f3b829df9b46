"""Two networks in one walk of their common graph: every value a pair (reference, changed)."""

from __future__ import annotations

from typing import Any


class Pair(tuple[Any, Any]):
    """The two values of one tensor; a type of its own, so that lists of tensors are not taken for it."""

    __slots__ = ()


def side(which: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of one of the two networks."""

    def pick(value: Any) -> Any:
        if isinstance(value, Pair):
            return value[which]
        if isinstance(value, dict):
            return {k: pick(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(pick(v) for v in value)
        return value

    return tuple(pick(a) for a in args), {k: pick(v) for k, v in kwargs.items()}


def pairs(reference: Any, changed: Any) -> Any:
    """Pairs of an operation's outputs."""
    if isinstance(reference, (list, tuple)):
        return [Pair(p) for p in zip(reference, changed, strict=True)]
    return Pair((reference, changed))
