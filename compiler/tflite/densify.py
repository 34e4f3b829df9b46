"""A sparse TFLite constant as a dense array.

The format is TACO's (Kjolstad et al. 2017, https://doi.org/10.1145/3133901): axes in `traversalOrder`, of which those
past the tensor's rank are the insides of blocks along `blockMap`; each axis is dense, or stores the coordinates of what
is there (`arraySegments`, `arrayIndices`). tensorflow/compiler/mlir/lite/schema/schema.fbs, SparsityParameters.
"""

from __future__ import annotations

import math

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compiler.errors import BadInput


def densify(values: np.ndarray, sparsity: schema.SparsityParametersT, shape: tuple[int, ...], name: str) -> np.ndarray:
    """`values` (flat, in the order of traversal) in their places of `shape`, zeros elsewhere. Raises BadInput."""
    try:
        return _densify(values, sparsity, shape)
    except (IndexError, ValueError, TypeError, AttributeError) as error:
        raise BadInput(f"this TFLite file is damaged: the sparse tensor '{name}' doesn't fit its shape") from error


def _densify(values: np.ndarray, sparsity: schema.SparsityParametersT, shape: tuple[int, ...]) -> np.ndarray:
    order = [int(axis) for axis in sparsity.traversalOrder]
    blocked = [] if sparsity.blockMap is None else [int(axis) for axis in sparsity.blockMap]
    rank = len(shape)
    if sorted(order) != list(range(rank + len(blocked))) or len(sparsity.dimMetadata) != len(order):
        raise ValueError("the axes are not each there once")

    # Level by level, the flat number of each stored entry and its coordinate along every axis so far.
    coordinates: dict[int, np.ndarray] = {}
    entries = 1
    for axis, level in zip(order, sparsity.dimMetadata, strict=True):
        if level.format == schema.DimensionType.DENSE:
            size = int(level.denseSize)
            if entries * size > math.prod(shape):
                raise ValueError("the axes are larger than the tensor")
            parent, coordinate = np.divmod(np.arange(entries * size), size)
        else:
            segments = np.asarray(level.arraySegments.values, np.int64)
            coordinate = np.asarray(level.arrayIndices.values, np.int64)
            lengths = np.diff(segments)
            if len(lengths) != entries or segments[0] != 0 or (lengths < 0).any() or segments[-1] != len(coordinate):
                raise ValueError("the segments don't cover the indices")
            parent = np.repeat(np.arange(entries), lengths)
        coordinates = {a: c[parent] for a, c in coordinates.items()}
        coordinates[axis] = coordinate
        entries = len(coordinate)
    if entries != len(values):
        raise ValueError("there are more or fewer values than places")

    sizes = [int(m.denseSize) for a, m in sorted(zip(order, sparsity.dimMetadata, strict=True), key=lambda p: p[0])]
    places = []
    for axis in range(rank):
        place = coordinates[axis]
        if axis in blocked:
            inside = rank + blocked.index(axis)
            place = place * sizes[inside] + coordinates[inside]
        if len(place) and not 0 <= place.min() <= place.max() < shape[axis]:
            raise ValueError("a coordinate is outside")
        places.append(place)
    dense = np.zeros(math.prod(shape), values.dtype)
    dense[np.ravel_multi_index(places, shape)] = values
    return dense.reshape(shape)
