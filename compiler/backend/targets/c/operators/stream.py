"""Convolutions, sums and an average as one streamed call: between input and output only rows are ever in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from compiler.backend.targets.c.ctext import Code, define_struct, define_structs
from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.operators.add import Add
from compiler.backend.targets.c.operators.conv import Conv
from compiler.backend.targets.c.operators.pool import Pool
from compiler.backend.targets.c.overlap import row_distance
from kernels.reference.stream import Rows, Walk, walk

PARAMS_BYTES, STAGE_BYTES = 12, 20  # sizeof(stream_params) and (stream_stage) where pointers have 4 bytes

SUM_BYTES = 4  # of a channel
KINDS: dict[type, str] = {Conv: "conv", Add: "sum", Pool: "average"}

Stage = Conv | Add | Pool


@dataclass(frozen=True, eq=False)
class Stream(Node):
    """`stages` in order; each reads the stream's one input or stages before it. The last writes the output; it alone
    may be a Pool, one that averages all."""

    stages: tuple[Stage, ...]

    @property
    def output_bytes(self) -> int:
        return self.stages[-1].output_bytes

    @cached_property
    def sources(self) -> tuple[tuple[int, ...], ...]:
        """Of each stage what it reads: 0 the input, i + 1 stage i."""
        made = {stage.output: index + 1 for index, stage in enumerate(self.stages)}
        return tuple(tuple(made.get(value, 0) for value in stage.inputs) for stage in self.stages)

    @cached_property
    def heights(self) -> tuple[int, ...]:
        """Rows of the input and of each stage's output, of an average those that it reads."""
        found = [next(stage.shape_in[0] for stage in self.stages if isinstance(stage, Conv))]
        for stage, sources in zip(self.stages, self.sources, strict=True):
            found.append(stage.window.out[0] if isinstance(stage, Conv) else found[sources[0]])
        return tuple(found)

    @property
    def row_in(self) -> int:
        """Bytes of a row of the input."""
        return next(
            stage.row_in
            for stage, sources in zip(self.stages, self.sources, strict=True)
            if isinstance(stage, Conv) and sources == (0,)
        )

    def row_bytes(self, index: int) -> int:
        """Of a row of a stage's output, of an average all of it."""
        stage = self.stages[index]
        return stage.output_bytes // (1 if isinstance(stage, Pool) else self.heights[index + 1])

    @cached_property
    def walk(self) -> Walk:
        rows = []
        for stage, sources, height in zip(self.stages, self.sources, self.heights[1:], strict=True):
            if isinstance(stage, Conv):
                window = stage.window
                rows.append(Rows(height, sources, window.strides[0], window.pad[0], stage.reach + 1))
            else:
                rows.append(Rows(height, sources))
        return walk(tuple(rows), self.heights[0])

    @cached_property
    def rings(self) -> tuple[int, ...]:
        """Where in scratch each stage's ring begins, and how much scratch there is."""
        sizes = [self.row_bytes(i) * rows for i, rows in enumerate(self.walk.rings)]
        if isinstance(self.stages[-1], Pool):
            sizes[-1] = SUM_BYTES * self.output_bytes
        return tuple(int(at) for at in np.cumsum([0, *sizes]))

    @property
    def scratch_bytes(self) -> int:
        return self.rings[-1]

    @property
    def gap_bytes(self) -> int:
        return max(stage.gap_bytes for stage in self.stages)

    @property
    def weight_arrays(self) -> tuple[np.ndarray, ...]:
        return tuple(array for stage in self.stages for array in stage.weight_arrays)

    @property
    def weight_counts(self) -> tuple[int, ...]:
        return tuple(count for stage in self.stages for count in stage.weight_counts)

    def distance(self, value: int) -> int | None:
        last = len(self.stages) - 1
        keeps = self.walk.keeps
        if isinstance(self.stages[-1], Pool):  # it writes once, behind its last row
            return row_distance(1, self.output_bytes, self.heights[0], self.row_in, lambda _: keeps[-1])
        return row_distance(len(keeps), self.row_bytes(last), self.heights[0], self.row_in, keeps.__getitem__)

    def code(self, prefix: str) -> Code:
        text, size, kernels = "", PARAMS_BYTES, ["stream_rows_s8", "add_s8"]
        fields: list[dict[str, object]] = []
        for index, (stage, sources) in enumerate(zip(self.stages, self.sources, strict=True)):
            name = f"{prefix}_{index}"
            definition, stage_bytes = stage.define(name)
            text, size = text + definition, size + stage_bytes + STAGE_BYTES
            kind = KINDS[type(stage)]
            own: dict[str, object] = {f"by.{kind}": f"&{name}", "kind": f"STREAM_{kind.upper()}"}
            own |= {"row_bytes": self.row_bytes(index), "ring": self.rings[index]}
            own |= {"ring_rows": self.walk.rings[index], "height": self.heights[index + 1]}
            own |= dict(zip(("from", "beside"), sources, strict=False))
            fields.append(own)
            if isinstance(stage, Conv):
                kernels.append(stage.packed.kernel)
        stages = f"{prefix}_stages"
        params = {"stages": stages, "row_bytes": self.row_in, "count": len(self.stages)}
        return Code(
            tuple(dict.fromkeys(kernels)),
            text + define_structs("stream_stage", stages, fields) + define_struct("stream_params", prefix, params),
            f"stream_rows_s8(&{prefix}, {{in0}}, {{scratch}}, {{gap}}, {{out}});",
            size,
        )


def streamable(node: Node) -> bool:
    """Whether a node can be a stage: a convolution, the sum of two maps, or, as the last, the average over a map."""
    return isinstance(node, Conv) or (isinstance(node, Add) and len(node.inputs) == 2) or ends(node)


def ends(node: Node) -> bool:
    """Whether a node can only be the last stage."""
    return isinstance(node, Pool) and node.averages_all


def stream(stages: Sequence[Stage], source: int) -> Stream:
    """The stages as one call that reads `source`."""
    return Stream(stages[-1].name, (source,), stages[-1].output, tuple(stages))
