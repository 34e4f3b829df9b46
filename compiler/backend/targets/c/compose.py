"""An int8 .tflite as the texts of a folder of C99 that runs it without an interpreter.

    read the graph · one call for each operator · fold pads · store weights · find streams, plan the arena ·
    use its gaps · write

Everything is checked before the first line is written; what comes out equals LiteRT's reference kernels bit for bit.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from compiler.backend.targets.c.border_names import border_names
from compiler.backend.targets.c.choose_storage import choose_storage
from compiler.backend.targets.c.fold_pads import fold_pads
from compiler.backend.targets.c.graph import Graph, read_graph
from compiler.backend.targets.c.lower import lower
from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.operators.stream import Stream
from compiler.backend.targets.c.render import cmake, main, render
from compiler.backend.targets.c.schedule import schedule
from compiler.backend.targets.c.share_constants import distinct
from compiler.backend.targets.c.use_gaps import use_gaps
from compiler.errors import BadInput
from kernels import SOURCES

MOST_KEPT = 0.75


@dataclass(frozen=True, eq=False, slots=True)
class Emitted:
    """texts: the folder, by file name. arena_bytes: the static arena, input and scratch in it. constant_bytes: weights,
    biases, factors and structs in flash, where pointers have 4 bytes. weight_bytes: of these, kernels with their
    bitmaps, biases and other constant operands; params: how many values those hold. calls: of kernels. streamed: of
    those, how many are streams."""

    texts: Mapping[str, str]
    arena_bytes: int
    constant_bytes: int
    weight_bytes: int
    params: int
    calls: int
    streamed: int

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(sorted(self.texts))


@functools.lru_cache(maxsize=8)
def compose(
    tflite: bytes,
    *,
    name: str = "model",
    most_kept: float = MOST_KEPT,
    fuse: bool = True,
    borders: tuple[str, str] | None = None,
) -> Emitted:
    """`<name>.c`, `<name>.h`, the kernels used, CMakeLists.txt and main.c, in memory.

    name       prefix of files and functions, a C identifier.
    most_kept  a kernel is stored sparse only if at most this share of its weights is kept (and if that is smaller):
               above it, an eighth of a kernel's flash at most would be bought with half as many instructions more.
    fuse       whether spans of convolutions and sums are streamed where that lowers the arena.
    borders    what the network itself calls its input and its output; None: as the file does.

    Raises BadInput for a damaged file or a bad name, UnsupportedModel for what has no kernel.
    """
    refuse_name(name)
    graph, nodes, sink = _read(tflite)
    source_name, sink_name = borders or border_names(graph.model, (graph.input.name, graph.output.name))
    ends = replace(graph.input, name=source_name), replace(graph.output, name=sink_name)
    nodes = tuple(replace(node, name=sink_name) if node.output == sink else node for node in nodes)
    nodes = fold_pads(nodes, sink)
    nodes = choose_storage(nodes, most_kept)
    scheduled = schedule(nodes, graph.input.index, graph.input.size, sink, fuse=fuse)
    scheduled = use_gaps(scheduled, graph.input.index, graph.input.size, sink)
    rendered = render(name, scheduled.nodes, scheduled.plan, ends, graph.input.index, sink)
    kernels = _with_includes([f"{kernel}.c" for kernel in rendered.kernels])
    texts = {**rendered.texts, **kernels, "main.c": main(name)}
    texts["CMakeLists.txt"] = cmake(name, [n for n in sorted(texts) if n.endswith(".c") and n != "main.c"])
    arrays = [pair for n in scheduled.nodes for pair in zip(n.weight_arrays, n.weight_counts, strict=True)]
    weights = distinct(arrays)
    return Emitted(
        MappingProxyType(texts),
        scheduled.plan.bytes,
        rendered.constant_bytes,
        sum(array.nbytes for array, _ in weights),
        sum(count for _, count in weights),
        len(scheduled.nodes),
        sum(isinstance(node, Stream) for node in scheduled.nodes),
    )


def refuse_name(name: str) -> None:
    """Raise BadInput unless files and functions can be called so beside those of the kernels and of C."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
        raise BadInput(f"'{name}' can't name the network in C: use small letters, digits and _, a letter first.")
    if name == "main" or (SOURCES / f"{name}.c").exists() or (SOURCES / f"{name}.h").exists():
        raise BadInput(f"'{name}' can't name the network in C: {name}.c or .h is another file there; use another name.")


def _read(tflite: bytes) -> tuple[Graph, tuple[Node, ...], int]:
    """The graph, its calls, and the value that is the network's output."""
    try:
        graph = read_graph(tflite)
        return graph, *lower(graph)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError) as error:
        # Options of another operator, missing vectors: whatever a file can say that no converter writes.
        raise BadInput(f"this TFLite file is damaged ({type(error).__name__}: {error}); write it again") from error


def _with_includes(names: list[str]) -> dict[str, str]:
    """Texts of these kernels and of every header that they include."""
    texts: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in texts:
            texts[name] = (SOURCES / name).read_text(encoding="utf-8")
            waiting += re.findall(r'^#include "(.+)"$', texts[name], re.MULTILINE)
    return texts
