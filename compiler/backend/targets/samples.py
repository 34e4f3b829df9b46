"""A network's inputs, one inference each, in the types that its file takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compiler.backend.targets.graph import TensorInfo, read_graph
from compiler.errors import BadInput

Inputs = np.ndarray | Sequence[np.ndarray]
"""(n, …) in the network's own units or quantized already, n ≥ 1; of several inputs a sequence in the file's order."""

Sample = tuple[np.ndarray, ...]
"""One value, with a batch axis of 1, for each input of a network."""


def samples_of(tflite: bytes, inputs: Inputs) -> list[Sample]:
    """The inputs of every inference; floats are quantized as the file says, integers are taken as they are.

    Raises BadInput where number or shapes are not the network's.
    """
    graph = read_graph(tflite)
    arrays = [inputs] if isinstance(inputs, np.ndarray) else [np.asarray(array) for array in inputs]
    if len(arrays) != len(graph.inputs):
        raise BadInput(f"the network has {len(graph.inputs)} inputs and {len(arrays)} arrays were given: give as many")
    columns = [quantized(array, graph.tensors[index]) for array, index in zip(arrays, graph.inputs, strict=True)]
    return [tuple(column[i : i + 1] for column in columns) for i in range(len(columns[0]))]


def quantized(array: np.ndarray, tensor: TensorInfo) -> np.ndarray:
    """An array in the type of one input."""
    if array.shape[1:] != tensor.shape[1:] or len(array) == 0:
        wanted = ", ".join(map(str, ("n", *tensor.shape[1:])))
        raise BadInput(f"the network takes inputs of shape ({wanted}), not {array.shape}: reshape them")
    if not np.issubdtype(tensor.dtype, np.integer) or np.issubdtype(array.dtype, np.integer):
        return np.ascontiguousarray(array, tensor.dtype)
    limits = np.iinfo(tensor.dtype)
    return np.clip(np.rint(array / tensor.scale) + tensor.zero_point, limits.min, limits.max).astype(tensor.dtype)
