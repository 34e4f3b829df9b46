"""A finished run with everything that a page can show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from compiler.details import Changed, Details, FrontPoint, LayerDetail, Node, Part
from compiler.report.png import png_base64
from compiler.result import OnTarget, Result, TargetFigures, TargetRun, TimeRatio


def detailed(result: Result) -> Result:
    """`result` of conftest (conv1 hybrid, logits dense, dw left alone) with details and the target's figures."""
    picture = png_base64(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8))
    ratio = TimeRatio(0.75, 0.7, 1.3, 21)
    before = TargetFigures(9_000, 6_000, 20_000, "arena", 300_000, 2.0, "ms", "measured")
    after = TargetFigures(5_500, 2_970, 24_000, "arena", 150_000, 1.5, "ms", "measured", (), ratio)
    layers = (
        LayerDetail(
            "conv1",
            (3, 3, 16, 32),
            (2, 2),
            (
                Part("chain", "first", (1, 1, 16, 8), 160),
                Part("chain", "core", (3, 3, 8, 9), 684),
                Part("chain", "last", (1, 1, 9, 32), 416),
                Part("sparse", "sparse", (3, 3, 16, 32), 540),
            ),
            tuple(2.0**-k for k in range(1, 17)),
            tuple(1.5**-k for k in range(1, 33)),
            38.2,
            "Tucker2 4×9 would save 200 B and lose 0.01 nats more: other layers offered better exchanges.",
        ),
        LayerDetail("logits", (1, 1, 64, 10), (1, 1), (Part("chain", "dense", (1, 1, 64, 10), 680),)),
    )
    graph = (
        Node("image", "Input", (16, 16, 3)),
        Node("dw", "DepthwiseConv2D", (16, 16, 16), (0,)),
        Node("conv1", "Conv2D", (8, 8, 32), (1,)),
        Node("relu_with_a_rather_long_name_of_its_own_that_has_to_be_broken", "ReLU", (8, 8, 32), (2,)),
        Node("add", "Add", (8, 8, 32), (2, 3)),
        Node("logits", "Dense", (10,), (4,)),
    )
    front = tuple(FrontPoint(k / 8, 1000 * k, 1200 * k, 9000 * k, 0.3 * (8 - k)) for k in range(1, 9))
    return replace(
        result,
        on_target=OnTarget("xcore-opt 1.4.2", True, 64, TargetRun(before), TargetRun(after, 1, 0.98, 40.0)),
        details=Details(
            front, ((0.5, 0.01), (0.25, 0.2)), layers, graph, (picture,) * 3, (Changed(picture, 3, 7, 3),), "ab" * 32
        ),
    )
