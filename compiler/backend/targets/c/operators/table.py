"""Operators of one int8 value to one int8 value: a table of 256, which LiteRT's reference kernel itself fills in."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compiler.backend.targets.c.ctext import Code, define_array
from compiler.backend.targets.c.graph import Operator, Tensor
from compiler.backend.targets.c.node import Node
from compiler.tflite import flatbuffer

VALUES = np.arange(-128, 128, dtype=np.int8)


@dataclass(frozen=True, eq=False)
class Table(Node):
    """table[q + 128] is the output of input q."""

    size: int
    table: np.ndarray

    @property
    def output_bytes(self) -> int:
        return self.size

    def distance(self, value: int) -> int | None:
        return 0

    def code(self, prefix: str) -> Code:
        return Code(
            ("table_s8",),
            define_array(prefix, self.table),
            f"table_s8({prefix}, {{in0}}, {{out}}, {self.size});",
            self.table.nbytes,
        )


def lower_table(operator: Operator) -> Table:
    x, out = operator.map(), operator.output
    operator.require_int8(out)
    if x.size != out.size:
        operator.refuse(f"its input is {x.shape} and its output {out.shape}; write the file again")
    return Table(operator.name, (x.index,), out.index, x.size, tabulate(operator))


def tabulate(operator: Operator) -> np.ndarray:
    """(256,) int8: the operator's output for every input."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=_alone(operator), experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], VALUES)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def _alone(operator: Operator) -> bytes:
    """A network of this operator on 256 values."""
    assert operator.source is not None
    model = schema.ModelT(version=3, buffers=[schema.BufferT()], operatorCodes=[], subgraphs=[])
    code = flatbuffer.add_operator_code(model, getattr(schema.BuiltinOperator, operator.code), version=2)
    source = operator.source
    alone = schema.OperatorT(
        opcodeIndex=code,
        inputs=[0],
        outputs=[1],
        builtinOptionsType=source.builtinOptionsType,
        builtinOptions=source.builtinOptions,
    )
    ends = [replace(tensor, shape=VALUES.shape) for tensor in (operator.input(), operator.output)]
    model.subgraphs = [schema.SubGraphT(tensors=[_tensor(t) for t in ends], inputs=[0], outputs=[1], operators=[alone])]
    return flatbuffer.write(model)


def _tensor(tensor: Tensor) -> schema.TensorT:
    return schema.TensorT(
        name=tensor.name,
        shape=list(tensor.shape),
        type=schema.TensorType.INT8,
        buffer=0,
        quantization=schema.QuantizationParametersT(
            scale=np.array([tensor.scale], np.float32), zeroPoint=np.array([tensor.zero], np.int64)
        ),
    )
