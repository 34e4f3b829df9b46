"""What the network's input and output are called, where the .tflite knows better than its tensors' own names."""

from __future__ import annotations

from typing import Any

from compiler.tflite import flatbuffer


def border_names(model: Any, tensors: tuple[str, str]) -> tuple[str, str]:
    """Names of the one input and the one output of `model`, a file's ModelT: those of its signature, which the
    converter takes from the network; else `tensors`, which it makes up ("serving_default_image:0")."""
    graph = flatbuffer.subgraph(model)
    found = list(tensors)
    for signature in model.signatureDefs or ():
        for side, entries, borders in ((0, signature.inputs, graph.inputs), (1, signature.outputs, graph.outputs)):
            for entry in entries or ():
                if entry.tensorIndex == int(borders[0]):
                    found[side] = flatbuffer.text(entry.name) or found[side]
    return found[0], found[1]
