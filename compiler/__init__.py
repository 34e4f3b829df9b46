"""A trained Keras CNN in, the smallest int8 TFLite file that keeps its accuracy out. No training data is needed.

    import compiler

    analysis = compiler.analyze("net.keras", target="xcore")   # a path, or a Keras model in memory
    analysis.front()                                           # what each budget is predicted to cost
    plan = analysis.solve(params=0.5)                          # keep half of the stored weight bytes
    result = compiler.compress("net.keras", plan)
    result.save("net.tflite")
    result.report("net.html")

Importing this package loads neither Keras nor TensorFlow; `analyze` and `compress` do. `python -m compiler --help`
and `scripts/compress.py --help` are the same compiler on the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.errors import BadInput, CheckFailed, CompilerError, Infeasible, UnsupportedLayer, UnsupportedModel

if TYPE_CHECKING:
    from compiler.library import Analysis, Compressed, analyze, compress

__all__ = [
    "Analysis",
    "BadInput",
    "CheckFailed",
    "CompilerError",
    "Compressed",
    "Infeasible",
    "UnsupportedLayer",
    "UnsupportedModel",
    "analyze",
    "compress",
]
_LIBRARY = ("Analysis", "Compressed", "analyze", "compress")


def __getattr__(name: str) -> Any:
    """The library, imported when it is first asked for: it brings Keras."""
    if name in _LIBRARY:
        from compiler import library

        return getattr(library, name)
    raise AttributeError(f"module 'compiler' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LIBRARY])
