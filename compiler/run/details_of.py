"""Everything that the report's page shows beside the figures."""

from __future__ import annotations

import hashlib

import keras

from compiler.details import Details, Node
from compiler.frontend.graph import calls
from compiler.run.cached_menus import Menus
from compiler.run.close_look import close_look
from compiler.run.found import Found
from compiler.run.front import front_of
from compiler.run.pictures import changed, pictures
from compiler.run.session import Session

POINTS = 24


def details_of(session: Session, found: Found, offered: Menus | None) -> Details:
    """`offered`: the menus that the plan was chosen from; without them there is no front and no why."""
    return Details(
        front=() if offered is None else front_of(session, offered, session.options.budget, POINTS),
        tried=found.tried,
        layers=close_look(session, found, offered),
        graph=nodes(session.network.folded),
        pictures=pictures(session),
        changed=changed(session, found),
        file_sha256=hashlib.sha256(found.built.emitted.tflite).hexdigest(),
    )


def nodes(model: keras.Model) -> tuple[Node, ...]:
    """The graph in topological order; an operation that is called twice is two nodes."""
    position: dict[int, int] = {}
    found: list[Node] = []
    for tensor in model.inputs:
        position[id(tensor)] = len(found)
        found.append(Node(tensor.name, "Input", shape_of(tensor)))
    for call in calls(model):
        made_by = tuple(position[id(t)] for t in call.inputs if id(t) in position)
        for tensor in call.outputs:
            position[id(tensor)] = len(found)
        found.append(Node(call.name, type(call.operation).__name__, shape_of(call.outputs[0]), made_by))
    return tuple(found)


def shape_of(tensor: keras.KerasTensor) -> tuple[int, ...]:
    return tuple(size or 0 for size in tensor.shape[1:])
