"""Chains of convolutions become streamed calls, found by their shape in the graph, whatever made them.

A chain is a run of convolutions, each the only reader of the one before: perhaps a 1×1, then one of any window, then
up to two whose windows are one row high. A convolution beside it, from the same input, whose output is only added to
the chain's, joins as the parallel branch. That is what `first · core · last + sparse` and its kin look like in a file,
and also a bottleneck or a separable convolution.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.operators.add import Add
from compiler.backend.targets.c.operators.conv import Conv
from compiler.backend.targets.c.operators.hybrid import Hybrid

LONGEST_TAIL = 2

OnlyReader = Callable[[int], Node | None]
"""The node that reads a value, if it is the only one and the value is not the network's output."""


def fuse_chains(nodes: tuple[Node, ...], output: int, left_alone: frozenset[int] = frozenset()) -> tuple[Node, ...]:
    """The same calls with every chain as a Hybrid in the place of its last. `output` is the network's; a chain that
    would write one of the values `left_alone` stays as it is."""
    readers: dict[int, list[Node]] = {}
    for node in nodes:
        for value in node.inputs:
            readers.setdefault(value, []).append(node)
    counts = Counter({value: len(read_by) for value, read_by in readers.items()})
    counts[output] += 1
    made_by = {node.output: node for node in nodes}

    def only_reader(value: int) -> Node | None:
        return readers[value][0] if counts[value] == 1 and value in readers else None

    fused: dict[int, Hybrid] = {}  # by output
    taken: set[int] = set()  # outputs of the nodes inside
    for node in nodes:
        if not isinstance(node, Conv) or node.output in taken:
            continue
        chain = _chain_from(node, only_reader)
        joined = _with_branch(chain, only_reader, made_by, counts, taken)
        hybrid = joined or (_hybrid(chain, None, None) if len(chain) > 1 else None)
        if hybrid is None or hybrid.output in left_alone:
            continue
        fused[hybrid.output] = hybrid
        taken.update(stage.output for stage in hybrid.stages)
        taken.add(hybrid.output)
    return tuple(fused.get(node.output, node) for node in nodes if node.output not in taken or node.output in fused)


def _chain_from(conv: Conv, only_reader: OnlyReader) -> tuple[Conv, ...]:
    """The longest chain that begins with `conv`, perhaps `conv` alone."""
    chain = [conv]
    follower = only_reader(conv.output)
    if conv.pointwise and isinstance(follower, Conv) and follower.window.kernel[0] > 1:
        chain.append(follower)
    while len(chain) - _core(chain) <= LONGEST_TAIL:
        follower = only_reader(chain[-1].output)
        if not isinstance(follower, Conv) or not _one_row_high(follower):
            break
        after = only_reader(follower.output)
        if follower.pointwise and isinstance(after, Conv) and after.window.kernel[0] > 1:
            break  # it is the first of the next chain
        chain.append(follower)
    return tuple(chain)


def _core(chain: list[Conv] | tuple[Conv, ...]) -> int:
    """Place of the core."""
    return 1 if len(chain) > 1 and chain[0].pointwise and chain[1].window.kernel[0] > 1 else 0


def _one_row_high(conv: Conv) -> bool:
    window = conv.window
    return window.kernel[0] == 1 and window.strides[0] == 1 and window.pad[0] == 0


def _with_branch(
    chain: tuple[Conv, ...],
    only_reader: OnlyReader,
    made_by: Mapping[int, Node],
    counts: Mapping[int, int],
    taken: set[int],
) -> Hybrid | None:
    """The chain with a parallel branch, if its output is only added to that of another convolution of its input."""
    total = only_reader(chain[-1].output)
    if not isinstance(total, Add) or len(total.inputs) != 2 or total.inputs[0] == total.inputs[1]:
        return None
    other = total.inputs[1] if total.inputs[0] == chain[-1].output else total.inputs[0]
    branch = made_by.get(other)
    if not isinstance(branch, Conv) or branch.output in taken or branch.inputs != chain[0].inputs or counts[other] != 1:
        return None
    return _hybrid(chain, branch, total if total.inputs[0] == chain[-1].output else total.swapped())


def _hybrid(chain: tuple[Conv, ...], branch: Conv | None, total: Add | None) -> Hybrid:
    core = _core(chain)
    last = total or chain[-1]
    return Hybrid(
        last.name,
        chain[0].inputs,
        last.output,
        chain[0] if core else None,
        chain[core],
        chain[core + 1 :],
        branch,
        total,
    )
