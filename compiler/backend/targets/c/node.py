"""One call of a C kernel: what it reads and writes, how its output may overlap its input, and its C text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from compiler.backend.targets.c.ctext import Code


@dataclass(frozen=True, eq=False)
class Node(ABC):
    """inputs and output are values: tensors of the file, by index, or their stand-ins where a tensor only renames
    another's bytes."""

    name: str
    inputs: tuple[int, ...]
    output: int

    @property
    @abstractmethod
    def output_bytes(self) -> int:
        """Bytes of the output."""

    @property
    def scratch_bytes(self) -> int:
        """Bytes that the kernel needs beside input and output."""
        return 0

    @property
    def gap_bytes(self) -> int:
        """Bytes that its kernels lay out where the arena has a gap (see `use_gaps`)."""
        return 0

    @property
    def weight_arrays(self) -> tuple[np.ndarray, ...]:
        """Kernels as they are stored, biases and other constant operands."""
        return ()

    @property
    def weight_counts(self) -> tuple[int, ...]:
        """Of each of `weight_arrays`, how many values of the network it holds."""
        return tuple(array.size for array in self.weight_arrays)

    def distance(self, value: int) -> int | None:
        """How many bytes behind the output's start the input `value` has to start (before it, if negative) so that no
        byte is overwritten before it was last read; None if they have to be apart."""
        return None

    @abstractmethod
    def code(self, prefix: str) -> Code:
        """The C text; file-scope names begin with `prefix`."""
