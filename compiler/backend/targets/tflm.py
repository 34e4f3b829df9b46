"""TFLite Micro on this machine: the host interpreter of xmos-ai-tools, for plain int8 files and for xcore's.

Its arena figure counts the copy of the file that the host keeps; what a device needs is the rest. That rest still
holds the interpreter's own structures with this machine's 8-byte pointers, so a 32-bit device needs a little less.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compiler.backend.targets.graph import read_graph
from compiler.backend.targets.samples import Sample
from compiler.backend.targets.tool import require, run_tool
from compiler.errors import CheckFailed
from compiler.tflite import flatbuffer


def run_tflm(model: bytes, samples: Sequence[Sample], name: str) -> tuple[list[np.ndarray], int]:
    """Outputs, one (n, …) array each, and arena bytes (without the file itself).

    Raises CheckFailed where the interpreter rejects the file (an operator that it lacks) or dies on it, BadInput
    where it is not installed.
    """
    require("xmos_ai_tools", "xmos-ai-tools")
    if any(operator == "DENSIFY" for operator, _ in flatbuffer.operators(flatbuffer.read(model))):
        raise CheckFailed(f"{name} has no DENSIFY and dies on sparse tensors: store every kernel dense for this target")
    model = with_metadata(model)
    columns = {f"input_{i}": np.stack(values) for i, values in enumerate(zip(*samples, strict=True))}
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / file for file in ("model", "described", "samples.npz", "result.npz")]
        paths[0].write_bytes(model)
        paths[1].write_bytes(bytes_at_borders(model))
        np.savez(paths[2], **columns)
        program = str(Path(__file__).with_name("tflm_host.py"))
        run_tool([sys.executable, program, *map(str, paths)], name, Path(folder))
        with np.load(paths[3]) as result:
            outputs = [np.concatenate(result[f"output_{i}"]) for i in range(len(result.files) - 1)]
            arena = int(result["arena"])
    graph = read_graph(model)
    types = [graph.tensors[index].dtype for index in graph.outputs]
    return [output.view(dtype) for output, dtype in zip(outputs, types, strict=True)], arena - len(model)


def bytes_at_borders(tflite: bytes) -> bytes:
    """The file with int8 written where an input or output is uint8: the host interpreter's Python side, not TFLM
    itself, knows no uint8, and only wants to know how many bytes to copy."""
    model = flatbuffer.read(tflite)
    main = flatbuffer.subgraph(model)
    for index in (*main.inputs, *main.outputs):
        if main.tensors[index].type == schema.TensorType.UINT8:
            main.tensors[index].type = schema.TensorType.INT8
    return flatbuffer.write(model)


def with_metadata(tflite: bytes) -> bytes:
    """The same file with a list of metadata, be it empty: the host interpreter, not TFLM itself, dies without one."""
    model = flatbuffer.read(tflite)
    if model.metadata is not None:
        return tflite
    model.metadata = []
    return flatbuffer.write(model)
