"""The whole compiler on a network of two convolutions: both methods, replay, the number of cores, two targets."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from compiler.backend.stored_bytes import stored_bytes
from compiler.backend.targets.c import compose
from compiler.errors import CheckFailed, Infeasible
from compiler.options import Options
from compiler.pipeline import compress
from compiler.result import Result
from compiler.run import session
from compiler.run.plan_json import read_plan
from tests.tiny import run, save_tiny, tiny_options
from tests.tools import XMOS

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    save_tiny(folder)
    return folder


def options(folder: Path, name: str, **changes: Any) -> Options:
    return tiny_options(folder, name, **({"compression_factor": 0.5, "pruning_structure": "unstructured"} | changes))


@pytest.fixture(scope="module")
def half(folder: Path) -> Result:
    return compress(options(folder, "half"))


def test_the_file_loads_and_answers(folder: Path, half: Result) -> None:
    with np.load(folder / "val.npz") as data:
        answers = run((folder / "half.tflite").read_bytes(), data["x"])
        assert np.mean(answers == data["y"]) > 0.6
    assert half.verification.operators
    assert half.verification.snr_db is not None
    assert half.verification.snr_db > 10


@pytest.mark.parametrize(
    ("target", "kernels", "called"), [("mobile", "xnnpack", "XNNPACK"), ("c", "reference", "reference kernels")]
)
def test_losses_are_counted_on_kernels_that_answer_as_the_target_does(
    folder: Path, target: str, kernels: str, called: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Mock(wraps=session.run)
    monkeypatch.setattr(session, "run", spy)
    given = {"data": str(folder / "val.npz"), "no_html": True}
    result = compress(options(folder, target, target=target, pruning_structure="filter", **given))
    assert {call.kwargs["kernels"] for call in spy.call_args_list} == {kernels}
    assert result.verification.interpreter.endswith(called)


def test_the_file_is_compared_with_both_float_models(folder: Path, half: Result) -> None:
    """Quantization alone moves less than compression and quantization do."""
    seen = half.verification
    assert seen.snr_db is not None
    assert seen.original_snr_db is not None
    assert seen.original_snr_db < seen.snr_db - 1
    assert seen.original_top1_agreement is not None


def test_a_file_whose_answers_are_noise_is_not_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compiler.run.summary.LEAST_SNR_DB", 200.0)
    with pytest.raises(CheckFailed, match=r"nothing to do with those of the float model .* ask for less compression"):
        compress(options(folder, "noise"))
    assert not list(folder.glob("noise*"))


def test_the_budget_holds_in_the_file(folder: Path, half: Result) -> None:
    tflite = (folder / "half.tflite").read_bytes()
    stored = stored_bytes(tflite)
    assert stored.weight_bytes == half.compressed.stored_weight_bytes
    assert len(tflite) == half.compressed.file_bytes
    assert half.kept == stored.weight_bytes / half.original.stored_weight_bytes
    assert 0.4 < half.kept <= 0.5


def test_plan_and_report_lie_beside_it(folder: Path, half: Result) -> None:
    plan = read_plan(folder / "half.plan.json")
    assert [name for name, _ in plan.choices] == ["conv0", "conv1", "logits"]
    assert any(not choice.is_dense for _, choice in plan.choices)
    report = json.loads((folder / "half.report.json").read_text())
    assert report["schema_version"] == plan.schema_version == 2
    assert report["compressed"]["stored_weight_bytes"] == half.compressed.stored_weight_bytes
    assert {layer["name"] for layer in report["layers"]} == {"conv0", "conv1", "logits"}
    assert report["evidence"]["tier"] == half.evidence.tier == "estimated"
    assert report["provenance"]["calibration_hash"] == plan.calibration_hash


def test_a_replayed_plan_gives_the_same_bytes(folder: Path, half: Result) -> None:
    compress(options(folder, "again", plan=folder / "half.plan.json", compression_factor=0.9))
    assert (folder / "again.tflite").read_bytes() == (folder / "half.tflite").read_bytes()
    first, second = (read_plan(folder / f"{name}.plan.json") for name in ("half", "again"))
    assert replace(second, settings=first.settings) == first


def test_the_number_of_cores_changes_no_byte(folder: Path, half: Result) -> None:
    """In a process of its own, where TensorFlow can still be told, and with nothing from the cache."""
    command = [sys.executable, "scripts/compress.py", "--quiet", "--no_cache", "--jobs", "1", "--seed", "3"]
    command += ["--input_path", str(folder / "net.keras"), "--output_path", str(folder / "one.tflite")]
    command += ["--pruning_structure", "unstructured", "--method", "fixed_params", "--compression_factor", "0.5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "one.plan.json").read_text() == (folder / "half.plan.json").read_text()
    assert (folder / "one.tflite").read_bytes() == (folder / "half.tflite").read_bytes()


def test_a_bound_is_kept_and_known(folder: Path) -> None:
    bound = 0.1
    result = compress(options(folder, "bound", method="fixed_loss", max_acc_loss=bound, data=str(folder / "val.npz")))
    evidence = result.evidence
    assert (evidence.tier, evidence.metric, evidence.examples) == ("measured", "accuracy", 80)
    assert evidence.search_loss is not None
    assert evidence.search_loss <= bound
    assert 1 <= evidence.evaluations <= 12
    assert evidence.interval is not None
    assert evidence.interval[0] <= bound
    assert result.kept < 0.95
    assert (folder / "bound.tflite").stat().st_size == result.compressed.file_bytes


@XMOS
def test_a_microcontroller_gets_what_it_can_hold(folder: Path) -> None:
    result = compress(options(folder, "micro", target="cortex_m", pruning_structure="channel"))
    assert result.kept <= 0.5
    assert "DENSIFY" not in {name for name, _ in result.verification.operators}
    plan = read_plan(folder / "micro.plan.json")
    assert plan.target == "cortex_m"
    channels = {"conv0": (3, 12), "conv1": (12, 16), "logits": (16, 4)}
    for name, choice in plan.choices:
        assert all(rank % 4 == 0 or rank in channels[name] for rank in choice.ranks)
        assert choice.structure in (None, "channel")


def test_an_unreachable_budget_writes_nothing(folder: Path, half: Result) -> None:
    before = (folder / "net.keras").read_bytes()
    (folder / "old.tflite").write_bytes(b"old")
    with pytest.raises(Infeasible, match=r"--compression_factor 0.01 can't be met: the smallest reachable is 0\.\d+"):
        compress(options(folder, "old", compression_factor=0.01))
    assert (folder / "old.tflite").read_bytes() == b"old"
    assert not list(folder.glob("old.*.json"))
    assert not list(folder.glob(".*.part"))
    assert (folder / "net.keras").read_bytes() == before


def test_the_plan_is_the_golden_one(folder: Path, half: Result, request: pytest.FixtureRequest) -> None:
    """A change of metric, menu or solver shows here; `--update-golden` takes it over."""
    plan = read_plan(folder / "half.plan.json")
    choices = [
        {"site": name, "chain": c.chain, "ranks": list(c.ranks), "structure": c.structure, "kept": c.kept}
        for name, c in plan.choices
    ]
    found = {"choices": choices, "predicted_loss": float(f"{plan.predicted_loss:.1e}"), "kept": round(half.kept, 2)}
    path = GOLDEN / "hybrid-unstructured-p50-mobile.json"
    if request.config.getoption("--update-golden"):
        path.write_text(json.dumps(found, indent=1) + "\n")
    golden = json.loads(path.read_text())
    # The last digits are the processor's; a tenth more or less is the engine's.
    assert found == golden | {"predicted_loss": pytest.approx(golden["predicted_loss"], rel=0.1)}


def test_target_c_writes_the_network_and_its_source(folder: Path) -> None:
    """The budget holds in the emitted constants."""
    result = compress(options(folder, "plain", target="c"))
    assert 0.4 < result.kept <= 0.5
    tflite = (folder / "plain.tflite").read_bytes()
    emitted = compose(tflite, borders=("image", "logits"))
    assert "input   image, (1, 8, 8, 3)" in emitted.texts["model.h"]
    assert "output  logits, (1, 4)" in emitted.texts["model.h"]
    assert (emitted.weight_bytes, emitted.constant_bytes) == (
        result.compressed.stored_weight_bytes,
        result.compressed.file_bytes,
    )
    assert result.counted == "constants in flash"
    assert {path.name: path.read_text() for path in (folder / "plain.c").iterdir()} == dict(emitted.texts)
