"""A chain of convolutions, and perhaps a parallel one and their sum, as one streamed call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compiler.backend.targets.c.ctext import Code, define_struct
from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.operators.add import Add
from compiler.backend.targets.c.operators.conv import Conv
from compiler.backend.targets.c.overlap import row_distance
from kernels.reference.hybrid import scratch_bytes

PARAMS_BYTES = 24  # sizeof(hybrid_params) where pointers have 4 bytes


@dataclass(frozen=True, eq=False)
class Hybrid(Node):
    """first (1×1) · core · tail (up to two, of one row each) [+ branch]; `total` adds the branch to the chain."""

    first: Conv | None
    core: Conv
    tail: tuple[Conv, ...]
    branch: Conv | None
    total: Add | None

    @property
    def chain(self) -> tuple[Conv, ...]:
        return (*([self.first] if self.first else []), self.core, *self.tail)

    @property
    def stages(self) -> tuple[Conv, ...]:
        """Every convolution."""
        return (*self.chain, *([self.branch] if self.branch else []))

    @property
    def output_bytes(self) -> int:
        return self.chain[-1].output_bytes

    @property
    def scratch_bytes(self) -> int:
        return scratch_bytes(
            ring=self.core.shape_in if self.first else None,
            span=self.core.reach + 1,
            rows=[(stage.window.out[1], stage.c_out) for stage in (self.core, *self.tail)[:-1]],
            branch=(self.branch.window.out[1], self.branch.c_out) if self.branch else None,
        )

    @property
    def weight_arrays(self) -> tuple[np.ndarray, ...]:
        return tuple(array for stage in self.stages for array in stage.weight_arrays)

    def distance(self, value: int) -> int | None:
        last, begin = self.chain[-1], self.chain[0]
        return row_distance(last.window.out[0], last.row_out, begin.shape_in[0], begin.row_in, self._keep)

    def _keep(self, y: int) -> int:
        """The first input row that is still needed when row y of the output is being written."""
        core, h_in = self.core, self.chain[0].shape_in[0]
        if not self.first and not self.tail:  # core itself writes the output
            return core.first_row(y)
        if y + 1 == core.window.out[0]:
            return h_in
        # Rows that went through first are in the ring; core's and the branch's rows are done before the tail writes.
        in_ring = max(0, y * core.window.strides[0] - core.window.pad[0] + core.reach + 1)
        kept = in_ring if self.first else core.first_row(y + 1)
        return min(h_in, kept, self.branch.first_row(y + 1) if self.branch else h_in)

    def code(self, prefix: str) -> Code:
        roles = {"first": self.first, "core": self.core, "sparse": self.branch}
        roles |= {f"tail{i}": stage for i, stage in enumerate(self.tail)}
        text, size, kernels = "", PARAMS_BYTES, ["conv2d_hybrid_fused_s8", "add_s8"]
        for role, stage in roles.items():
            if stage is not None:
                definition, stage_bytes = stage.define(f"{prefix}_{role}")
                text, size = text + definition, size + stage_bytes
                kernels.append(stage.packed.kernel)
        fields: dict[str, object] = {
            role: f"&{prefix}_{role}" for role in ("first", "core", "sparse") if roles[role] is not None
        }
        if self.tail:
            fields["tail"] = "{" + ", ".join(f"&{prefix}_tail{i}" for i in range(len(self.tail))) + "}"
        if self.total is not None:
            definition, total_bytes = self.total.define(f"{prefix}_sum")
            text, size = text + definition, size + total_bytes
            fields["sum"] = f"&{prefix}_sum"
        return Code(
            tuple(dict.fromkeys(kernels)),
            text + define_struct("hybrid_params", prefix, fields),
            f"conv2d_hybrid_fused_s8(&{prefix}, {{in0}}, {{scratch}}, {{out}});",
            size,
        )
