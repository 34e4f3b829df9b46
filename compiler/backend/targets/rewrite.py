"""The graph that a plan would give: the original int8 file's operators, with sites replaced by what they become.

It has the shapes, lifetimes and arithmetic of the file to be, before there is one, so that arena and time can be
estimated while the solver still chooses.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from compiler.backend.targets.arena import alive_at_operators
from compiler.backend.targets.cost import Emitted, Selection
from compiler.backend.targets.graph import Graph, Operator, TensorInfo, count_macs
from compiler.backend.targets.target import Target
from compiler.types import Choice, ConvSite

INT8 = np.dtype("i1")
EXPAND = "EXPAND"  # no operator of a file: the room that a convolution takes to unpack its kernel
BRANCH = ("gather", "sparse", "scatter")
STRIDING = ("core", "vertical", "depthwise", "sparse")  # roles with an extent


def match_sites(graph: Graph, sites: Sequence[ConvSite]) -> dict[int, ConvSite]:
    """Which operator (its index) computes which site. Sites that the file doesn't hold as such are left out.

    Converters rename layers, so they are told by kind, kernel and map; equal ones by their order, which converters
    keep. A shared layer is several operators with one kernel.
    """
    waiting: dict[tuple[object, ...], list[ConvSite]] = defaultdict(list)
    for site in sites:
        waiting[signature_of_site(site)].append(site)
    found: dict[int, ConvSite] = {}
    of_kernel: dict[int, ConvSite] = {}
    for index, op in enumerate(graph.operators):
        if op.code not in ("CONV_2D", "FULLY_CONNECTED"):
            continue
        kernel = op.inputs[1]
        queue = waiting[signature_of_operator(graph, op)]
        if kernel not in of_kernel and queue:
            of_kernel[kernel] = queue.pop(0)
        if kernel in of_kernel:
            found[index] = of_kernel[kernel]
    return found


def signature_of_site(site: ConvSite) -> tuple[object, ...]:
    """What a site and its operator have in common: the kernel as TFLite stores it, and the map it is first used on."""
    if site.kind == "dense":
        return "FULLY_CONNECTED", (site.c_out, site.c_in)
    return "CONV_2D", (site.c_out, *site.kernel_size, site.c_in), site.maps[0][2:] if site.maps else None


def signature_of_operator(graph: Graph, op: Operator) -> tuple[object, ...]:
    kernel = graph.tensors[op.inputs[1]].shape
    if op.code == "FULLY_CONNECTED":
        return op.code, kernel
    return op.code, kernel, graph.tensors[op.outputs[0]].shape[1:3]


def rewrite(graph: Graph, plan: Mapping[int, tuple[ConvSite, Choice]], target: Target) -> Graph:
    """The graph in which each operator of the plan (by index) is replaced by what its choice becomes on the target."""
    written = Rewriting(graph, target, list(graph.tensors))
    for index, op in enumerate(graph.operators):
        if index in plan and not plan[index][1].is_dense:
            written.replace(op, *plan[index])
        else:
            written.operators.append(op)
    return Graph(tuple(written.tensors), tuple(without_unread(written.operators)), graph.inputs, graph.outputs)


def without_unread(operators: Sequence[Operator]) -> list[Operator]:
    """The operators but for each DENSIFY of a kernel that was replaced."""
    read = {index for op in operators for index in op.inputs}
    return [op for op in operators if op.code != "DENSIFY" or op.outputs[0] in read]


def local_graph(graph: Graph, index: int) -> Graph:
    """One operator by itself, with what is alive beside it: rewritten, it bounds a choice's arena from below, and the
    times of its operators add up to the choice's."""
    op = graph.operators[index]
    alive = next(itertools.islice(alive_at_operators(graph), index, None))
    beyond = {i for later in graph.operators[index + 1 :] for i in later.inputs} | set(graph.outputs)
    place = {old: new for new, old in enumerate(dict.fromkeys((*alive, *op.inputs, *op.outputs)))}
    inputs, outputs = (tuple(place[i] for i in part) for part in (op.inputs, op.outputs))
    # A kernel that DENSIFY makes elsewhere is as good as constant here.
    given = {i: graph.tensors[i] if i in alive else replace(graph.tensors[i], constant=True) for i in op.inputs}
    return Graph(
        tuple(given.get(i, graph.tensors[i]) for i in place),
        (replace(op, inputs=inputs, outputs=outputs),),
        tuple(place[i] for i in alive if i not in op.outputs),
        tuple(place[i] for i in alive if i in beyond),
    )


@dataclass
class Rewriting:
    """A graph under way: tensors are appended, operators follow in the order of execution."""

    graph: Graph
    target: Target
    tensors: list[TensorInfo]
    operators: list[Operator] = field(default_factory=list)

    def replace(self, op: Operator, site: ConvSite, choice: Choice) -> None:
        """Write chain and branch, then their sum, in the order in which the converter schedules them."""
        convs, selections = self.target.emitted(site, choice)
        chain: list[Emitted | Selection] = [conv for conv in convs if conv.role not in BRANCH]
        parts: dict[str, Emitted | Selection] = {s.role: s for s in selections}
        parts.update((conv.role, conv) for conv in convs if conv.role in BRANCH)
        branch = [parts[role] for role in BRANCH if role in parts]
        rows = [row for row in (chain, branch) if row]
        if branch and isinstance(branch[0], Selection):  # a branch that gathers comes before the chain
            rows.reverse()
        ends = [self.row(op, row, whole=len(rows) == 1) for row in rows]
        if len(ends) == 2:
            self.operators.append(Operator("ADD", tuple(ends), op.outputs, 0, op.activated))

    def row(self, op: Operator, steps: Sequence[Emitted | Selection], *, whole: bool) -> int:
        """Operators one behind the other, from the site's input; the last writes the site's output if `whole`.

        The step with an extent strides; in a row of 1×1 convolutions only, the first does.
        """
        source, result = op.inputs[0], op.outputs[0]
        before, after = (self.tensors[i].shape[:-1] for i in (source, result))
        roles = [step.role for step in steps]
        strides_at = next((i for i, role in enumerate(roles) if role in STRIDING), 0)
        size = before
        for index, step in enumerate(steps):
            if index >= strides_at:
                size = (*after[:-1], before[-1]) if step.role == "vertical" else after
            into = result if whole and index == len(steps) - 1 else None
            source = self.step(source, step, size, into)
        return source

    def step(self, source: int, step: Emitted | Selection, size: tuple[int, ...], into: int | None) -> int:
        if isinstance(step, Emitted):
            return self.convolve(source, step, size, into)
        if step.role == "gather":
            return self.append("GATHER", (source,), (*size, step.kept), into)
        padded = self.append("PAD", (source,), (*size, step.kept + 1), None)
        return self.append("GATHER", (padded,), (*size, step.channels), into)

    def convolve(self, source: int, conv: Emitted, size: tuple[int, ...], into: int | None) -> int:
        k_h, k_w, c_in, c_out = conv.kernel
        is_map = len(size) == 3
        if conv.kind == "depthwise":
            kernel = self.tensor((1, k_h, k_w, c_out), constant=True)
            return self.append("DEPTHWISE_CONV_2D", (source, kernel), (*size, c_out), into)
        few = conv.stored_bits if conv.stored_bits != 8 else 0
        kernel = self.tensor((c_out, k_h, k_w, c_in) if is_map else (c_out, c_in), constant=True, bits=few)
        if self.target.densifies(conv):
            kernel = self.append("DENSIFY", (kernel,), self.tensors[kernel].shape, None)
        elif few and self.target.expands_in_arena:
            kernel = self.append(EXPAND, (kernel,), self.tensors[kernel].shape, None)
        return self.append("CONV_2D" if is_map else "FULLY_CONNECTED", (source, kernel), (*size, c_out), into)

    def append(self, code: str, inputs: tuple[int, ...], shape: tuple[int, ...], into: int | None) -> int:
        """Write one operator; returns its output, a new tensor unless there is one to write `into`."""
        output = self.tensor(shape) if into is None else into
        self.operators.append(Operator(code, inputs, (output,), count_macs(code, inputs, (output,), self.tensors)))
        return output

    def tensor(self, shape: tuple[int, ...], *, constant: bool = False, bits: int = 0) -> int:
        self.tensors.append(TensorInfo("", shape, INT8, constant, bits=bits))
        return len(self.tensors) - 1
