"""The JSON of a report, read back into the `Result` that it was written from."""

from __future__ import annotations

import json
import types
import typing
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from compiler.errors import BadInput
from compiler.result import Result
from compiler.types import SCHEMA_VERSION


def read_report(path: Path) -> Result:
    """Raises BadInput for a file that is no report, or one of another schema."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        schema = content["schema_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"'{path}' is no report of this compiler ({error}); give a .report.json.") from None
    if schema != SCHEMA_VERSION:
        raise BadInput(f"report '{path}' has schema {schema}, this version reads {SCHEMA_VERSION}; make it anew.")
    try:
        return typed(Result, content)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"report '{path}' lacks what this version shows ({error!r}); make it anew.") from None


def typed(kind: Any, value: Any) -> Any:
    """`value`, as JSON holds it, as the annotation `kind` has it: dataclasses, tuples, unions with None, scalars."""
    if value is None:
        return None
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        given = {f.name: typed(hints[f.name], value[f.name]) for f in fields(kind) if f.name in value}
        return kind(**given)  # type: ignore[operator]
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return typed(next(k for k in inner if k is not type(None)), value)
    if origin is tuple:
        items = value.items() if isinstance(value, dict) else value  # pairs are written as objects
        kinds = [inner[0]] * len(items) if len(inner) == 2 and inner[1] is Ellipsis else inner
        return tuple(typed(k, item) for k, item in zip(kinds, items, strict=True))
    return value
