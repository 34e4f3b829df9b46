"""Whether a value, as JSON or text held it, is what an annotation says."""

from __future__ import annotations

import types
import typing
from dataclasses import fields, is_dataclass
from typing import Any


def fits(kind: Any, value: Any) -> bool:
    """For dataclasses, tuples, unions and scalars. A whole number is a float too, a bool is no number."""
    if is_dataclass(kind):
        return isinstance(value, kind) and misfit(kind, value) is None  # type: ignore[arg-type]
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return any(fits(k, value) for k in inner)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        kinds = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return len(kinds) == len(value) and all(map(fits, kinds, value))
    return type(value) in ((int, float) if kind is float else (kind,))


def misfit(kind: Any, value: Any) -> str | None:
    """The first field of a dataclass whose value does not fit; None if all do."""
    hints = typing.get_type_hints(kind)
    return next((f.name for f in fields(kind) if not fits(hints[f.name], getattr(value, f.name))), None)
