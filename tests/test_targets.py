"""The carried network on every target, verified by the target's own tool, and limits; a target of one's own."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from compiler.backend.stored_bytes import stored_bytes
from compiler.backend.targets import TARGETS, Agreement
from compiler.backend.targets.constraints import ranks_on_grid
from compiler.backend.targets.cortex_m import CortexM
from compiler.backend.targets.graph import read_graph
from compiler.backend.targets.target import Constraint
from compiler.errors import CheckFailed, Infeasible
from compiler.options import Options
from compiler.pipeline import compress
from compiler.result import Result, TargetFigures
from tests.tiny import save_tiny
from tests.tools import XMOS

DIGITS = Path(__file__).resolve().parents[1] / "models" / "digits.keras"
TOOLS = {"mobile": "ai-edge-litert", "xcore": "xmos-ai-tools", "cortex_m": "xmos-ai-tools", "ethos_u": "ethos-u-vela"}


def run(folder: Path, source: Path, **changes: Any) -> Result:
    given: dict[str, Any] = {"compression_type": "tucker", "jobs": 2, "seed": 3}
    return compress(Options(input_path=source, output_path=folder / "net.tflite", **(given | changes)))


@pytest.mark.parametrize(
    "name", ["mobile", pytest.param("xcore", marks=XMOS), pytest.param("cortex_m", marks=XMOS), "ethos_u"]
)
def test_the_carried_network_is_verified_in_the_target_s_own_tool(name: str, tmp_path: Path) -> None:
    result = run(tmp_path, DIGITS, target=name, keep_target_files=name in ("xcore", "ethos_u"))
    on = result.on_target
    assert on is not None
    assert TOOLS[name] in on.tool
    assert on.executed == (name != "ethos_u")
    before, after = on.original.figures, on.compressed.figures
    assert after.flash_bytes < before.flash_bytes
    assert result.compressed.file_bytes == after.flash_bytes
    assert result.compressed.stored_weight_bytes == after.weight_bytes
    assert after.macs < before.macs
    if on.executed:
        assert on.inputs >= 4
        assert on.compressed.top1 is not None
        assert on.compressed.top1 > 0.9
    if after.arena_bytes > before.arena_bytes:
        assert "as little RAM" in " ".join(result.notes)
    report = json.loads((tmp_path / "net.report.json").read_text())
    assert report["on_target"]["compressed"]["figures"]["arena_bytes"] == after.arena_bytes
    assert ("MORE RAM" in report["headline"]) == (after.arena_bytes > before.arena_bytes)
    written = {path.name.removeprefix("net_") for path in tmp_path.glob("net_*")}
    kept = {"xcore": {"xcore.tflite", "xcore.tflite.cpp", "xcore.tflite.h"}, "ethos_u": {"vela.tflite"}}
    assert kept.get(name, set()) <= written


@dataclass(frozen=True)
class Shelf(CortexM):
    """A fifth target: TFLite Micro's arithmetic where no tool looks."""

    name: ClassVar[str] = "shelf"
    tool: ClassVar[str] = "a shelf"
    packages: ClassVar[tuple[str, ...]] = ()
    constraints: ClassVar[tuple[Constraint, ...]] = (ranks_on_grid,)
    refuses: bool = False

    def measure(self, tflite: bytes, inputs: object) -> TargetFigures:
        graph, stored = read_graph(tflite), stored_bytes(tflite)
        arena, time = self.estimate_arena(graph), self.estimate_time(graph)
        return TargetFigures(
            len(tflite), stored.weight_bytes, arena, "estimate", graph.macs, time, "beats", "estimate"
        )  # fmt: skip

    def verify(self, tflite: bytes, inputs: object, original: Agreement | None = None) -> Agreement:
        if self.refuses and original is not None:
            raise CheckFailed("the shelf is full")
        return Agreement(by=self.tool, executed=False)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    save_tiny(tmp_path)
    monkeypatch.setitem(TARGETS, "cortex_m", Shelf())  # a name that Options knows
    return tmp_path / "net.keras"


def test_a_fifth_target_goes_through_the_whole_compiler(tiny: Path, tmp_path: Path) -> None:
    result = run(tmp_path, tiny, target="cortex_m", compression_factor=0.6)
    assert result.on_target is not None
    assert result.on_target.tool == "a shelf"
    assert result.on_target.compressed.figures.time_unit == "beats"
    assert result.kept <= 0.6


def test_a_tool_that_refuses_the_file_is_an_error_and_nothing_is_written(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TARGETS, "cortex_m", replace(Shelf(), refuses=True))
    with pytest.raises(CheckFailed, match="the shelf is full"):
        run(tmp_path, tiny, target="cortex_m", compression_factor=0.6)
    assert not (tmp_path / "net.tflite").exists()


def test_limits_are_kept_or_refused_with_what_can_be_had(tiny: Path, tmp_path: Path) -> None:
    free = run(tmp_path, tiny, target="cortex_m", compression_factor=0.6)
    assert free.on_target is not None
    figures = free.on_target.compressed.figures
    for flag, reached in (
        ("max_arena_bytes", figures.arena_bytes),
        ("max_latency_ratio", free.on_target.time_ratio),
    ):
        within = run(tmp_path, tiny, target="cortex_m", compression_factor=0.6, **{flag: reached})
        assert within.on_target is not None
        assert within.on_target.compressed.figures.arena_bytes <= figures.arena_bytes or flag != "max_arena_bytes"
        assert within.on_target.time_ratio <= reached or flag != "max_latency_ratio"
        impossible = {"max_latency_ratio": 0.01}.get(flag, 100)
        with pytest.raises(Infeasible, match=rf"--{flag} {impossible} can't be met within the budget: the smallest"):
            run(tmp_path, tiny, target="cortex_m", compression_factor=0.6, **{flag: impossible})


def test_vela_is_told_of_as_much_ram_as_the_original_takes(tmp_path: Path) -> None:
    """Unless told, it stages weights in 10,896 bytes where the original takes 6,144, and is no faster for it."""
    flags: dict[str, Any] = {"target": "ethos_u", "compression_type": "hybrid", "compression_factor": 0.3}
    result = run(tmp_path, DIGITS, keep_target_files=True, weight_bits=4, **flags)
    on = result.on_target
    assert on is not None
    before, after = on.original.figures.arena_bytes, on.compressed.figures.arena_bytes
    assert after <= before
    assert not result.notes or "RAM" not in " ".join(result.notes)
    free = TARGETS["ethos_u"].measure((tmp_path / "net.tflite").read_bytes(), ())
    assert free.arena_bytes > 1.5 * before
    assert on.compressed.figures.time <= 1.02 * free.time
    assert dict(on.compressed.figures.extra)["vela_options"] == f"--arena-cache-size {before}"
    assert (tmp_path / "net_vela.tflite").stat().st_size == result.compressed.file_bytes != free.flash_bytes


@pytest.mark.parametrize("name", ["mobile", "ethos_u", "c"])
def test_components_run_on_the_target_and_a_plan_of_them_is_replayed(name: str, tiny: Path, tmp_path: Path) -> None:
    flags: dict[str, Any] = {"target": name, "compression_type": "cp", "compression_factor": 0.7, "weight_bits": 8}
    result = run(tmp_path, tiny, **flags)
    assert "cp" in {layer.choice for layer in result.layers}
    assert result.compressed.stored_weight_bytes <= 0.7 * result.original.stored_weight_bytes
    depthwise = [op for op in read_graph(tmp_path.joinpath("net.tflite").read_bytes()).operators if "DEPTH" in op.code]
    assert len(depthwise) == sum(layer.choice == "cp" for layer in result.layers)
    (tmp_path / "again").mkdir()
    again = run(tmp_path / "again", tiny, plan=tmp_path / "net.plan.json", target=name, weight_bits=8)
    assert Path(again.output_path).read_bytes() == Path(result.output_path).read_bytes()
