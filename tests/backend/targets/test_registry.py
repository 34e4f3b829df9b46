from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from compiler.backend.stored_bytes import macs, stored_bytes
from compiler.backend.targets import TARGETS, Agreement, Target, TargetFigures
from compiler.backend.targets.constraints import ranks_on_grid
from compiler.backend.targets.latency import CORTEX_M7, Processor
from compiler.backend.targets.target import ANY_SITE, STRUCTURES, Constraint, branch_of
from compiler.errors import BadInput, UnsupportedLayer
from compiler.types import DENSE, Choice, ConvSite
from tests.backend.targets.int8_network import residual_network

SITE = ConvSite("conv3", "conv", (3, 3), 32, 64, positions=64)


def square_only(site: ConvSite, choice: Choice) -> str | None:
    """The abacus works on square kernels."""
    k_h, k_w = site.kernel_size
    return None if k_h == k_w else f"Layer '{site.name}' has {k_h}×{k_w}: use {k_w}×{k_w}."


@dataclass(frozen=True)
class Abacus(Target):
    """A fifth target in a dozen lines: what a new one has to say, and nothing else."""

    name: ClassVar[str] = "abacus"
    title: ClassVar[str] = "beads on wires"
    tool: ClassVar[str] = "fingers"
    processor: ClassVar[Processor] = CORTEX_M7
    constraints: ClassVar[tuple[Constraint, ...]] = (square_only, ranks_on_grid)

    def compile(self, tflite: bytes, workdir: Path) -> bytes:
        return tflite

    def measure(self, tflite: bytes, inputs: object) -> TargetFigures:
        stored = stored_bytes(tflite)
        work = macs(tflite)
        return TargetFigures(len(tflite), stored.weight_bytes, 0, "estimate", work, 2.0 * work, "s", "estimate")

    def verify(self, tflite: bytes, inputs: object, original: Agreement | None = None) -> Agreement:
        return Agreement(by=self.tool, executed=False)


def test_a_fifth_target_is_one_class_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TARGETS, "abacus", Abacus())
    target = TARGETS["abacus"]
    assert target.structures == STRUCTURES
    assert target.cost(SITE, DENSE).weight_bytes == 9 * 32 * 64 + 4 * 64
    assert target.refusal(SITE, Choice("tucker2", (8, 16))) is None
    oblong = ConvSite("conv1", "conv", (3, 1), 4, 4)
    with pytest.raises(UnsupportedLayer, match=r"The abacus works on square kernels\. Layer 'conv1' has 3×1: use 1×1"):
        target.check(oblong, DENSE)
    tflite = residual_network()
    figures = target.measure(tflite, np.zeros((1, 8, 8, 4)))
    assert figures.flash_bytes == len(tflite)
    assert target.measure_in_turn(tflite, tflite, np.zeros((1, 8, 8, 4))) == (figures, figures)


def test_targets_are_named_as_their_keys_and_frozen() -> None:
    for key, target in TARGETS.items():
        assert target.name == key
        with pytest.raises(FrozenInstanceError):
            target.name = "other"  # type: ignore[misc]
        with pytest.raises(FrozenInstanceError):
            target.accelerator = "other"  # type: ignore[attr-defined]


def test_importing_the_table_imports_no_tool() -> None:
    heavy = ["tensorflow", "keras", "scipy", "ethosu", "xmos_ai_tools", "ai_edge_litert.interpreter"]
    code = f"import sys, compiler.backend.targets; print([m for m in {heavy} if m in sys.modules])"
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_structures() -> None:
    assert TARGETS["mobile"].structures == TARGETS["ethos_u"].structures == TARGETS["c"].structures == STRUCTURES
    assert TARGETS["xcore"].structures == TARGETS["cortex_m"].structures == ("filter", "channel", "block")
    assert all(t.realises(None) for t in TARGETS.values())
    assert not TARGETS["xcore"].realises("unstructured")


def test_what_is_advised_is_smaller_than_the_whole_kernel() -> None:
    """Tiles of a quarter of the weights touch every channel: on xcore they are the whole kernel again."""
    block = branch_of("block", 0.25)
    for name, target in TARGETS.items():
        sparse = name not in ("xcore", "cortex_m")
        assert target.saves("block") == sparse
        assert target.advised == (STRUCTURES if sparse else ("filter", "channel"))
        assert (target.cost(ANY_SITE, block).weight_bytes < target.cost(ANY_SITE, DENSE).weight_bytes) == sparse
    assert block.kept == 9 * 16 * 16 / 4


@pytest.mark.parametrize("name", ["xcore", "cortex_m"])
def test_what_a_target_cannot_hold_is_refused_with_the_nearest_that_it_can(name: str) -> None:
    target = TARGETS[name]
    with pytest.raises(
        BadInput, match=r"no kernel for sparse tensors .* Use --pruning_structure filter or channel, or"
    ):
        target.refuse_structure("unstructured")
    target.refuse_structure("block")
    target.refuse_structure(None)
    with pytest.raises(BadInput, match="no structure 'stripes'"):
        target.refuse_structure("stripes")
    with pytest.raises(UnsupportedLayer, match=r"multiples of 4 .* Layer 'conv3' has r_out=18: use 16 or 20"):
        target.check(SITE, Choice("tucker2", (8, 18)))
    with pytest.raises(UnsupportedLayer, match=r"r_mid=2: use 4\."):
        target.check(SITE, Choice("tucker4", (8, 2, 16)))
    with pytest.raises(UnsupportedLayer, match=r"keeps 6 filters: use 4 or 8"):
        target.check(SITE, Choice("none", structure="filter", kept=6))
    with pytest.raises(UnsupportedLayer, match=r"has r=10: use 8 or 12"):
        target.check(SITE, Choice("svd", (10,)))
    target.check(SITE, Choice("tucker2", (8, 20)))
    target.check(SITE, Choice("none", structure="channel", kept=8))


def test_components_are_refused_where_their_noise_would_grow() -> None:
    with pytest.raises(BadInput, match=r"^target xcore can't hold CP chains: .* 24\. Use --compression_type hybrid\.$"):
        TARGETS["xcore"].refuse_components()
    for name in TARGETS.keys() - {"xcore"}:
        TARGETS[name].refuse_components()


@pytest.mark.parametrize(
    "site",
    [
        ConvSite("strided", "conv", (3, 3), 8, 8, strides=(2, 1)),
        ConvSite("dilated", "conv", (3, 3), 8, 8, dilation=(2, 2)),
        ConvSite("point", "conv", (1, 1), 8, 8),
        ConvSite("dense", "dense", (1, 1), 8, 8),
    ],
    ids=lambda site: site.name,
)
def test_components_need_a_plain_depthwise_convolution(site: ConvSite) -> None:
    for name in TARGETS.keys() - {"xcore"}:
        refusal = TARGETS[name].refusal(site, Choice("cp", (4,)))
        assert refusal is not None
        instead = "svd" if site.kernel_size == (1, 1) else "tucker2"
        assert f"Layer '{site.name}' asks for cp: use {instead}." in refusal
    assert TARGETS["mobile"].refusal(ConvSite("conv", "conv", (3, 3), 8, 8, strides=(2, 2)), Choice("cp", (4,))) is None


def test_a_rank_that_drops_its_factor_need_not_be_on_the_grid() -> None:
    site = ConvSite("stem", "conv", (3, 3), 3, 18)
    assert TARGETS["xcore"].refusal(site, Choice("tucker2", (3, 18))) is None
    assert TARGETS["xcore"].refusal(site, Choice("tucker2", (3, 17))) is not None


def test_every_constraint_is_a_sentence() -> None:
    for target in TARGETS.values():
        for constraint in target.constraints:
            assert (constraint.__doc__ or "").strip().endswith("."), constraint


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_grids_allow_what_the_constraints_allow(name: str) -> None:
    target = TARGETS[name]
    for fast in (False, True):
        r_in = target.rank_grid("r_in", SITE.c_in, fast=fast)
        r_out = target.rank_grid("r_out", SITE.c_out, fast=fast)
        assert target.refusal(SITE, Choice("tucker2", (r_in, r_out))) is None
