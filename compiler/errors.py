"""Errors of the compiler: each is one sentence with the cause and the mend, and an exit code.

The command line prints ``str(error)`` and exits with ``error.exit_code``; a library user catches
``CompilerError`` or one of its kinds.
"""

from __future__ import annotations


class CompilerError(Exception):
    """Anything the compiler refuses. ``str()`` is one sentence: what is wrong and how to mend it."""

    exit_code = 1


class BadInput(CompilerError):
    """A file, flag or data set that can't be used as given."""

    exit_code = 2


class UnsupportedModel(BadInput):
    """The network as a whole can't be read as a graph of known layers (subclassed, custom, Lambda)."""


class UnsupportedLayer(BadInput):
    """One layer asked to be compressed in a way that it can't be."""


class Infeasible(CompilerError):
    """No plan meets the asked budget or bound; says the nearest that can be met."""

    exit_code = 3


class CheckFailed(CompilerError):
    """The result contradicts a claim of the compiler (equality, budget, operators); nothing is written."""

    exit_code = 4
