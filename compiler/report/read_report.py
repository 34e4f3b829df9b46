"""The JSON of a report, read back into the `Result` that it was written from."""

from __future__ import annotations

import json
import math
import types
import typing
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from compiler.errors import BadInput
from compiler.report.headline import FIELDS
from compiler.result import TIERS, Result
from compiler.types import SCHEMA_VERSION


def read_report(path: Path) -> Result:
    """Raises BadInput for a file that is missing, cut off, no report, or one of another schema."""
    if not path.is_file():
        raise BadInput(f"report '{path}' does not exist; give the .report.json of a run.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"report '{path}' can't be read ({error.strerror}); check its permissions.") from None
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"'{path}' is no report of this compiler, or one that was cut off ({error}); give a run's .report.json."
        ) from None
    if not isinstance(content, dict) or not {"schema_version", "headline", "provenance"} <= set(content):
        raise BadInput(f"'{path}' is no report of this compiler; give the .report.json of a run.")
    schema = content["schema_version"]
    if schema != SCHEMA_VERSION:
        raise BadInput(f"report '{path}' has schema {schema}, this version reads {SCHEMA_VERSION}; make it anew.")
    try:
        result = typed(Result, content)
        check_words(result)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"report '{path}' lacks what this version shows ({error}); make it anew.") from None
    return result


def check_words(result: Result) -> None:
    """Raise ValueError for a word that no report has, or a graph whose nodes read what comes after them."""
    if result.budget not in FIELDS:
        raise ValueError(f"budget is {result.budget!r}")
    if result.evidence.tier not in TIERS:
        raise ValueError(f"tier is {result.evidence.tier!r}")
    for position, node in enumerate(() if result.details is None else result.details.graph):
        if not all(0 <= source < position for source in node.inputs):
            raise ValueError(f"'{node.name}' reads what comes after it")


def typed(kind: Any, value: Any) -> Any:
    """`value`, as JSON holds it, as the annotation `kind` has it: dataclasses, tuples, unions with None, scalars.

    A number that JSON has no word for is null there, and not a number here. Raises TypeError for what is none.
    """
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return one_of(inner, value)
    if kind is float and value is None:
        return math.nan
    if is_dataclass(kind):
        if not isinstance(value, dict):
            raise TypeError(f"{value!r:.40} is no {kind.__name__}")  # type: ignore[union-attr]
        hints = typing.get_type_hints(kind)
        given = {f.name: typed(hints[f.name], value[f.name]) for f in fields(kind) if f.name in value}
        return kind(**given)  # type: ignore[operator]
    if origin is tuple:
        if not isinstance(value, dict | list | tuple):
            raise TypeError(f"{value!r:.40} is no list")
        items = value.items() if isinstance(value, dict) else value  # pairs are written as objects
        kinds = [inner[0]] * len(items) if len(inner) == 2 and inner[1] is Ellipsis else inner
        return tuple(typed(k, item) for k, item in zip(kinds, items, strict=True))
    fits = type(value) in ((int, float) if kind is float else (kind,))
    if not fits or (kind is float and not math.isfinite(value)):
        raise TypeError(f"{value!r:.40} is no {kind.__name__}")
    return value


def one_of(kinds: tuple[Any, ...], value: Any) -> Any:
    """`value` as the first of `kinds` that it can be."""
    if value is None and type(None) in kinds:
        return None
    others = [k for k in kinds if k is not type(None)]
    for kind in others[:-1]:
        try:
            return typed(kind, value)
        except TypeError:
            continue
    return typed(others[-1], value)
