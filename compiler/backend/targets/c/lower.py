"""The graph's operators as calls of kernels, one for one."""

from __future__ import annotations

from dataclasses import replace

from compiler.backend.targets.c.graph import Graph
from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.operators import OPERATORS, RENAMINGS
from compiler.errors import BadInput, UnsupportedModel


def lower(graph: Graph) -> tuple[tuple[Node, ...], int]:
    """(calls in order, the value that is the network's output). Raises UnsupportedModel for what has no kernel."""
    stand_in: dict[int, int] = {graph.input.index: graph.input.index}
    nodes: list[Node] = []
    for operator in graph.operators:
        if operator.code in RENAMINGS:
            x = operator.map()
            operator.require_int8(operator.output)
            operator.same_quantization(x)
            if x.size != operator.output.size:
                operator.refuse(f"its input is {x.shape} and its output {operator.output.shape}; write the file again")
            stand_in[operator.output.index] = _known(stand_in, x.index, operator.name)
            continue
        if operator.code not in OPERATORS:
            known = ", ".join(sorted((*OPERATORS, *RENAMINGS)))
            operator.refuse(f"it has no kernel; use another --target, or what there is one for: {known}")
        node = OPERATORS[operator.code](operator)
        inputs = tuple(_known(stand_in, value, operator.name) for value in node.inputs)
        stand_in[node.output] = node.output
        nodes.append(replace(node, inputs=inputs))
    output = _known(stand_in, graph.output.index, "the network's output")
    if output == graph.input.index:
        raise UnsupportedModel("the C target has nothing to run: this network's output is its input")
    return tuple(nodes), output


def _known(stand_in: dict[int, int], value: int, reader: str) -> int:
    if value not in stand_in:
        raise BadInput(
            f"this TFLite file is damaged: '{reader}' reads what no operator before it wrote; write it again"
        )
    return stand_in[value]
