"""Run a flat functional graph one call at a time, on numbers.

`model(x)` shows only its end. The statistics, the refit and the gates need every layer's input in turn, and the
refit has to answer a layer before its successors run, so the graph is walked here: calls in topological order,
values dropped after their last use, so that memory is that of the widest cut and not of the whole network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import keras

from compiler.frontend.graph import Call, calls

Visit = Callable[[Call, tuple[Any, ...], dict[str, Any]], Any]


def walk(model: keras.Model, inputs: Sequence[Any], visit: Visit) -> list[Any]:
    """Feed `inputs` (one value per model input) through the graph; `visit(call, args, kwargs)` returns each call's
    outputs, usually `call.operation(*args, **kwargs)`. Values may be anything that `visit` understands. Returns those
    of the model's outputs."""
    order = list(calls(model))
    remaining = Counter(id(t) for call in order for t in call.inputs)
    remaining.update(id(t) for t in model.outputs)
    values: dict[int, Any] = {id(t): v for t, v in zip(model.inputs, inputs, strict=True)}

    def here(leaf: Any) -> Any:
        return values.get(id(leaf), leaf)

    for call in order:
        args, kwargs = keras.tree.map_structure(here, (call.args, call.kwargs))
        outputs = visit(call, args, kwargs)
        if len(call.outputs) == 1:
            outputs = outputs if isinstance(outputs, list) else [outputs]
        values.update(zip(map(id, call.outputs), outputs, strict=True))
        for tensor in call.inputs:
            remaining[id(tensor)] -= 1
            if not remaining[id(tensor)]:
                values.pop(id(tensor), None)
    return [values[id(t)] for t in model.outputs]


def apply(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The plain visit: run the operation as in inference."""
    return call.operation(*args, **kwargs)
