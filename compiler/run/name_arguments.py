"""What a refusal calls the options: flags on the command line, arguments in the library."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping

from compiler.errors import CompilerError

FLAG = r"--([a-z][a-z_]*)"


@contextlib.contextmanager
def name_arguments(names: Mapping[str, str] | None = None) -> Iterator[None]:
    """Refusals that leave this context name arguments; `names`: what an option is called here, where that differs."""
    try:
        yield
    except CompilerError as error:
        error.args = (in_arguments(str(error), names or {}),)
        raise


def in_arguments(text: str, names: Mapping[str, str]) -> str:
    """ "--seed 3 differs from --jobs" → "seed=3 differs from jobs"."""

    def name(found: re.Match[str]) -> str:
        return names.get(found[1], found[1])

    text = re.sub(rf"{FLAG} (?=[-.\d'\"])", lambda found: f"{name(found)}=", text)
    return re.sub(FLAG, name, text)
