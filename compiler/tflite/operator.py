"""One operator of a .tflite file and the tensors that it reads and makes, as plain Python values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compiler.errors import BadInput, UnsupportedModel

_ACTIVATIONS = {code: name for name, code in vars(schema.ActivationFunctionType).items() if isinstance(code, int)}


@dataclass(frozen=True, eq=False)
class Value:
    """One tensor. `shape` has the batch in front; `constant`: its real numbers, float32, or its integers where they
    stand for themselves; `limits`: the lowest and highest number of a tensor quantized as a whole."""

    index: int
    name: str
    shape: tuple[int, ...]
    constant: np.ndarray | None = None
    limits: tuple[float, float] | None = None
    scale: np.ndarray | None = None  # float64, of all or by channel


@dataclass(frozen=True, eq=False)
class Operator:
    """`kind` as the schema spells it ("CONV_2D"), `index` its place in the file, an absent input None."""

    index: int
    kind: str
    inputs: tuple[Value | None, ...]
    outputs: tuple[Value, ...]
    options: Any = None

    def input(self, position: int) -> Value:
        """An input that has to be there."""
        found = self.inputs[position] if position < len(self.inputs) else None
        if found is None:
            raise BadInput(f"this TFLite file is damaged: {self} lacks its input {position}; write it again")
        return found

    def constant(self, position: int, what: str) -> np.ndarray:
        """The numbers of an input that has to be constant; `what` it is, for the error."""
        constant = self.input(position).constant
        if constant is None:
            raise UnsupportedModel(
                f"{self} computes its {what} at run time; convert the network again with {what} that are constant"
            )
        return constant

    def option(self, name: str) -> Any:
        """A field of the operator's options, as the schema names it."""
        if not hasattr(self.options, name):
            raise BadInput(f"this TFLite file is damaged: {self} lacks its options; write it again")
        return getattr(self.options, name)

    @property
    def padding(self) -> str:
        """ "same" or "valid"."""
        return "same" if self.option("padding") == schema.Padding.SAME else "valid"

    @property
    def activation(self) -> str:
        """The fused activation as the schema spells it: "NONE", "RELU", "RELU6", "RELU_N1_TO_1", "TANH", …"""
        return _ACTIVATIONS.get(getattr(self.options, "fusedActivationFunction", 0), "?")

    def __str__(self) -> str:
        return f"operator {self.index}, {self.kind} (it makes '{self.outputs[0].name[:60]}')"
