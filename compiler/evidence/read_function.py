"""Functions of the user: `module:function`, found as `import module` finds it from the current folder.

Reading examples this way RUNS that code, with all that it may do.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from compiler.errors import BadInput
from compiler.evidence.dataset import Dataset


def read_function(spec: str, *, inputs: int, flag: str) -> Dataset:
    """What the function returns without arguments: `x` or `(x, y)`; `x` is a list of arrays for several inputs."""
    function = import_function(spec, flag=flag)
    try:
        found = function()
    except Exception as error:
        raise BadInput(f"{flag} {spec} failed with {type(error).__name__}: {error}; mend the function.") from error
    x, y = found if isinstance(found, tuple) and len(found) == 2 else (found, None)
    try:
        arrays = tuple(map(np.asarray, x)) if inputs > 1 and isinstance(x, list | tuple) else (np.asarray(x),)
        labels = None if y is None else np.asarray(y)
    except (ValueError, TypeError, RuntimeError):
        raise BadInput(
            f"{flag} {spec} returned a list whose parts differ in shape, or what is no array at all; return arrays of "
            "numbers, x or (x, y), in which all examples have one shape."
        ) from None
    if any(a.ndim == 0 for a in arrays):
        raise BadInput(f"{flag} {spec} returned no array of examples; return x, or (x, y).")
    return Dataset(x=arrays, y=labels, name=spec)


def import_function(spec: str, *, flag: str) -> Callable[..., Any]:
    """The function that `module:function` names; `BadInput` if there is none."""
    module_name, _, function_name = spec.partition(":")
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise BadInput(
            f"{flag} {spec}: importing {module_name!r} failed with {type(error).__name__}: {error}; name a module that "
            "imports from the current folder."
        ) from error
    finally:
        sys.path.remove(here)
    function = getattr(module, function_name, None)
    if not callable(function):
        raise BadInput(f"{flag} {spec}: {module_name} has no function {function_name!r}; name one as module:function.")
    return function
