"""What STRIDED_SLICE and SLICE cut out, as Python writes it.

A bit of `begin_mask` (`end_mask`) says that the axis is cut from its start (to its end), one of `shrink_axis_mask` that
one index is taken and the axis goes (tf.strided_slice).
"""

from __future__ import annotations

from compiler.errors import UnsupportedModel
from compiler.tflite.operator import Operator

Slices = tuple[slice | int, ...]


def slices(operator: Operator, shape: tuple[int, ...]) -> Slices:
    """One slice or index for each axis that the operator names, of a tensor of `shape`."""
    begin = [int(n) for n in operator.constant(1, "bounds").reshape(-1)]
    if operator.kind == "SLICE":
        sizes = [int(n) for n in operator.constant(2, "bounds").reshape(-1)]
        return tuple(slice(b, None if n == -1 else b + n) for b, n in zip(begin, sizes, strict=True))
    if operator.option("ellipsisMask") or operator.option("newAxisMask"):
        raise UnsupportedModel(f"{operator} cuts with an ellipsis or a new axis; write the cut with plain indices")
    end = [int(n) for n in operator.constant(2, "bounds").reshape(-1)]
    strides = [int(n) for n in operator.constant(3, "bounds").reshape(-1)]
    cut: list[slice | int] = []
    for axis, (b, e, s) in enumerate(zip(begin, end, strides, strict=True)):
        bit = 1 << axis
        if operator.option("shrinkAxisMask") & bit:
            cut.append(b)
        else:
            first = None if operator.option("beginMask") & bit else b
            last = None if operator.option("endMask") & bit else e
            whole = s == 1 and first in (None, 0) and (last is None or last >= shape[axis])
            cut.append(slice(None) if whole else slice(first, last, None if s == 1 else s))
    return tuple(cut)
