"""Pieces of C99 text."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

C_TYPES: dict[np.dtype, str] = {
    np.dtype(np.int8): "int8_t",
    np.dtype(np.uint8): "uint8_t",
    np.dtype(np.int16): "int16_t",
    np.dtype(np.uint16): "uint16_t",
    np.dtype(np.int32): "int32_t",
    np.dtype(np.int64): "int64_t",
}
WIDTH = 120


@dataclass(frozen=True)
class Code:
    """kernels      names of the kernels used, each a file of `kernels/`.
    definitions  constants and structs at file scope.
    call         a statement in which {in0}, {in1}, …, {out} and {scratch} stand for pointers.
    bytes        of the constants, as they lie in flash.
    """

    kernels: tuple[str, ...]
    definitions: str
    call: str
    bytes: int = 0


@dataclass(frozen=True)
class Constants:
    """Arrays of one node, as text, their names by field, and their bytes."""

    text: str
    names: dict[str, str]
    bytes: int


def define_constants(prefix: str, arrays: Mapping[str, np.ndarray]) -> Constants:
    """`static const` arrays named `<prefix>_<field>`."""
    names = {field: f"{prefix}_{field}" for field in arrays}
    text = "".join(define_array(names[field], array) for field, array in arrays.items())
    return Constants(text, names, sum(array.nbytes for array in arrays.values()))


def define_array(name: str, array: np.ndarray) -> str:
    """One `static const` array."""
    suffix = "LL" if array.dtype == np.int64 else ""
    numbers = [f"{n}{suffix}," for n in array.ravel().tolist()]
    in_a_line = (WIDTH - 4) // (max(map(len, numbers)) + 1)
    lines = ("    " + " ".join(numbers[i : i + in_a_line]) for i in range(0, len(numbers), in_a_line))
    return f"static const {C_TYPES[array.dtype]} {name}[{array.size}] = {{\n{chr(10).join(lines)}\n}};\n"


def define_struct(kind: str, name: str, fields: Mapping[str, object]) -> str:
    """One `static const` struct."""
    body = textwrap.fill(
        initializer(fields), WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False
    )
    return f"static const {kind} {name} = {{\n{body},\n}};\n"


def define_structs(kind: str, name: str, rows: Sequence[Mapping[str, object]]) -> str:
    """A `static const` array of structs."""
    body = "".join(f"    {{{initializer(fields)}}},\n" for fields in rows)
    return f"static const {kind} {name}[] = {{\n{body}}};\n"


def initializer(fields: Mapping[str, object]) -> str:
    """Fields that are 0 are left to C, which makes them so."""
    return ", ".join(f".{field} = {value}" for field, value in fields.items() if value not in (0, "NULL"))


def comment(text: str) -> str:
    """`text`, which may come from a file, on one line and unable to end a comment or splice a line."""
    printable = "".join(c if c.isprintable() and c.isascii() else "?" for c in text)
    return printable.replace("*/", "* /").replace("/*", "/ *").replace("\\", "/").replace("??", "? ?")
