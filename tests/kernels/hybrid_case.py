"""Random chains of convolutions with a sparse branch, as the compiler makes them of a layer."""

from __future__ import annotations

import ctypes
from ctypes import pointer
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from kernels.reference.add import AddFactors, add, add_factors
from kernels.reference.hybrid import hybrid, scratch_bytes
from kernels.reference.window import Window
from tests.kernels.clib import Add, Conv2D, Hybrid, Kept
from tests.kernels.conv_case import ConvCase, random_scales, window_of


@dataclass(frozen=True)
class HybridCase:
    """`core` is the place of the stage with the k_h × k_w window in `chain`; `first` says that one is before it."""

    x: np.ndarray
    first: bool
    chain: tuple[ConvCase, ...]
    sparse: ConvCase | None
    factors: AddFactors
    zeros: dict[str, int]

    @property
    def core(self) -> ConvCase:
        return self.chain[1 if self.first else 0]

    @property
    def tail(self) -> tuple[ConvCase, ...]:
        return self.chain[2 if self.first else 1 :]

    def expected(self) -> np.ndarray:
        stages = [lambda x, stage=stage: replace(stage, x=x).expected() for stage in self.chain]
        if self.sparse is None:
            return hybrid(self.x, stages)
        branch = self.sparse
        return hybrid(
            self.x,
            stages,
            lambda x: replace(branch, x=x).expected(),
            lambda a, b: add(a, b, self.factors, **self.zeros),
        )

    def scratch(self) -> int:
        core = self.core.window
        return scratch_bytes(
            ring=self.core.x.shape if self.first else None,
            span=(core.kernel[0] - 1) * core.dilation[0] + 1,
            rows=[(stage.window.out[1], stage.c_out) for stage in (self.core, *self.tail)[:-1]],
            branch=(self.sparse.window.out[1], self.sparse.c_out) if self.sparse else None,
        )

    def struct(self, library: ctypes.CDLL, sparse_kernel: str, kept: Kept) -> Hybrid:
        """The C struct; `kept` owns the arrays that it points to."""

        def stage(case: ConvCase, kernel: str | None = None) -> ctypes._Pointer[Conv2D]:
            point = case.window.kernel == (1, 1) and case.window.pad == (0, 0)
            kernel = kernel or ("conv2d_1x1_s8" if point else "conv2d_dense_s8")
            return pointer(case.struct(library, kernel, kept, (4, 2)))

        f = self.factors
        return Hybrid(
            first=stage(self.chain[0]) if self.first else None,
            core=stage(self.core),
            tail=(ctypes.POINTER(Conv2D) * 2)(*[stage(case) for case in self.tail]),
            sparse=stage(self.sparse, sparse_kernel) if self.sparse else None,
            sum=pointer(
                Add(
                    multiplier_a=f.a[0],
                    multiplier_b=f.b[0],
                    multiplier_out=f.out[0],
                    shift_a=f.a[1],
                    shift_b=f.b[1],
                    shift_out=f.out[1],
                    **self.zeros,
                    min=-128,
                    max=127,
                )
            ),
        )


@st.composite
def hybrid_cases(draw: st.DrawFn) -> HybridCase:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.sampled_from(["tucker2", "tucker4", "first+core", "core+last", "svd"]))
    k_h, k_w = (1, 1) if shape == "svd" else draw(st.tuples(st.integers(1, 5), st.integers(1, 4)))
    strides = draw(st.tuples(st.integers(1, 3), st.integers(1, 2)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2))) if strides == (1, 1) else (1, 1)
    padding = draw(st.sampled_from(["SAME", "VALID"]))
    h, w = draw(st.integers((k_h - 1) * dilation[0] + 1, 14)), draw(st.integers((k_w - 1) * dilation[1] + 1, 10))
    (h_out, top), (w_out, left) = (
        window_of(padding, *axis) for axis in zip((k_h, k_w), (h, w), strides, dilation, strict=True)
    )
    whole = Window((k_h, k_w), (h_out, w_out), strides, dilation, (top, left))
    point = Window((1, 1), (h, w))
    last = Window((1, 1), (h_out, w_out))
    vertical = Window((k_h, 1), (h_out, w), (strides[0], 1), (dilation[0], 1), (top, 0))
    horizontal = Window((1, k_w), (h_out, w_out), (1, strides[1]), (1, dilation[1]), (0, left))
    windows = {
        "tucker2": (point, whole, last),
        "tucker4": (point, vertical, horizontal, last),
        "first+core": (point, whole),
        "core+last": (whole, last),
        "svd": (whole, last),
    }[shape]

    channels = [draw(st.integers(1, 9)) for _ in range(len(windows) + 1)]
    x = rng.integers(-128, 128, (h, w, channels[0])).astype(np.int8)
    zeros = [draw(st.integers(-128, 127)) for _ in range(len(windows) + 1)]
    chain = []
    at = (h, w)
    for i, window in enumerate(windows):
        chain.append(convolution(rng, (*at, channels[i]), channels[i + 1], window, zeros[i], zeros[i + 1]))
        at = window.out
    sparse = None
    if draw(st.booleans()):
        sparse = convolution(rng, x.shape, channels[-1], whole, zeros[0], draw(st.integers(-128, 127)), 0.3)
    return HybridCase(
        x,
        shape in ("tucker2", "tucker4", "first+core"),
        tuple(chain),
        sparse,
        add_factors(0.5, 0.8, 1.1),
        {"zero_a": zeros[-1], "zero_b": sparse.zero_out if sparse else 0, "zero_out": 3},
    )


def convolution(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    c_out: int,
    window: Window,
    zero_in: int,
    zero_out: int,
    density: float = 1.0,
) -> ConvCase:
    weights = rng.integers(-127, 128, (c_out, *window.kernel, shape[2])).astype(np.int8)
    weights[rng.random(weights.shape) >= density] = 0
    bias = rng.integers(-500, 500, c_out).astype(np.int32)
    scales = random_scales(rng, weights, bias, zero_in, extreme=False)
    return ConvCase(np.zeros(shape, np.int8), weights, bias, window, None, *scales, zero_in, zero_out)
