"""Names for the operations of nested models in one flat graph."""

from __future__ import annotations

import keras

from compiler.frontend.graph import calls, graph_of


def flat_names(graph: keras.Model) -> dict[int, str]:
    """A name for every operation of the graph and of the models nested in it: `id(operation)` → name, all different.

    A name that occurs once stays as it is; one that occurs several times is prefixed with its models' names, joined
    by underscores, and numbered if that clashes, too. Operations of the outermost graph keep theirs.
    """
    paths: dict[int, tuple[str, ...]] = {}

    def visit(graph: keras.Model, models: tuple[str, ...]) -> None:
        for call in calls(graph):
            path = (*models, call.name)
            if isinstance(call.operation, keras.Model):
                visit(graph_of(call.operation), path)
            else:
                paths.setdefault(id(call.operation), path)

    visit(graph, ())
    inputs = [tensor.name for tensor in graph.inputs]
    bare = [*inputs, *(path[-1] for path in paths.values())]
    taken = set(inputs)
    names: dict[int, str] = {}
    for key, path in sorted(paths.items(), key=lambda item: len(item[1])):  # outermost first
        names[key] = unused(path[-1] if bare.count(path[-1]) == 1 else "_".join(path), taken)
    return names


def unused(name: str, taken: set[str]) -> str:
    """`name`, numbered if it is taken; the result is added to `taken`."""
    candidate, number = name, 0
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    taken.add(candidate)
    return candidate
