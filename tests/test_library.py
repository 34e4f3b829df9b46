"""The library on the network of `test_tiny`: the same files as the command line, a model in memory, and both hooks."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import compiler
from compiler.backend.widen_inputs import range_of
from compiler.cli import main
from compiler.run.plan_json import read_plan
from compiler.tflite import flatbuffer
from tests.tiny import run, save_tiny
from tests.tools import XMOS

ROOT = Path(__file__).resolve().parents[1]
OPTIONS: dict[str, Any] = {"pruning_structure": "unstructured", "jobs": 2, "seed": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    save_tiny(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> keras.Model:
    return keras.models.load_model(folder / "net.keras", compile=False)


@pytest.fixture(scope="module")
def analysis(model: keras.Model) -> compiler.Analysis:
    return compiler.analyze(model, **OPTIONS)


@pytest.fixture(scope="module")
def half(analysis: compiler.Analysis) -> compiler.Compressed:
    return analysis.compress(analysis.solve(params=0.5))


def test_importing_it_is_light() -> None:
    code = "import sys, compiler; print(sorted({'keras', 'tensorflow', 'numpy', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    with pytest.raises(AttributeError, match="no attribute 'compres'"):
        compiler.compres  # type: ignore[attr-defined] # noqa: B018
    assert "analyze" in dir(compiler)


def test_the_files_hold_what_the_network_is_fed(model: keras.Model, folder: Path) -> None:
    """And not only what they were calibrated on."""
    shape = model.input_shape[1:]
    np.savez(folder / "dark.npz", x=np.random.default_rng(0).uniform(0, 1, (40, *shape)).astype(np.float32))
    given = {"calibration_data": folder / "dark.npz", "input_range": (-1.0, 4.0)}
    session = compiler.analyze(model, **given, **OPTIONS).session
    graph = flatbuffer.subgraph(flatbuffer.read(session.original.tflite))
    assert range_of(graph.tensors[int(graph.inputs[0])]) == pytest.approx((-1, 4), abs=0.02)


def test_layers_say_what_can_be_compressed(analysis: compiler.Analysis) -> None:
    assert [(layer.name, layer.kernel) for layer in analysis.layers] == [
        ("conv0", (3, 3, 3, 12)),
        ("conv1", (3, 3, 12, 16)),
        ("logits", (1, 1, 16, 4)),
    ]
    assert all(layer.compressible for layer in analysis.layers)
    left = compiler.analyze(analysis.source, exclude="conv0", **OPTIONS).layers[-1]
    assert (left.name, left.compressible, left.reason) == ("conv0", False, "--exclude conv0 names it")


def test_the_front_falls_and_ends_at_the_whole_network(analysis: compiler.Analysis) -> None:
    front = analysis.front(points=6)
    assert len(front) >= 4
    for smaller, larger in pairwise(front):
        assert smaller.factor < larger.factor
        assert smaller.weight_bytes < larger.weight_bytes
        assert smaller.predicted_loss > larger.predicted_loss
    assert front[-1].predicted_loss == 0
    assert 0.9 < front[-1].factor <= 1  # below 1 where a dead channel costs nothing to leave out
    for unit in ("params", "bytes", "macs"):  # named as it was asked
        least = analysis.front(unit)[0].factor
        with pytest.raises(compiler.Infeasible, match=rf"^{unit}=0\.\d+ can't be met: the smallest reach") as refused:
            analysis.solve(**{unit: 0.9 * least})
        assert "--" not in str(refused.value)


def test_a_plan_keeps_its_budget_in_the_file(analysis: compiler.Analysis, half: compiler.Compressed) -> None:
    assert 0.4 < half.result.kept <= 0.5
    assert half.result.predicted_loss == half.plan.predicted_loss == analysis.solve(params=0.5).predicted_loss
    assert sum(layer.predicted_loss or 0.0 for layer in half.result.layers) == pytest.approx(half.plan.predicted_loss)
    assert analysis.solve(params=0.9).choices != half.plan.choices


def test_it_is_the_command_line_in_steps(
    folder: Path,
    half: compiler.Compressed,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The file of a library run, of the same flags, and of its plan, replayed without repeating a flag."""
    assert half.save(folder / "library.tflite") == folder / "library.tflite"
    flags = ["--input_path", str(folder / "net.keras"), "--quiet", "--jobs", "2"]
    asked = ["--pruning_structure", "unstructured", "--seed", "3", "--compression_factor", "0.5"]
    assert main([*flags, *asked, "--output_path", str(folder / "flags.tflite")]) == 0
    assert (
        main([*flags, "--plan", str(folder / "library.plan.json"), "--output_path", str(folder / "plan.tflite")]) == 0
    )
    assert (folder / "flags.tflite").read_bytes() == half.tflite == (folder / "plan.tflite").read_bytes()
    assert read_plan(folder / "library.plan.json") == half.plan == read_plan(folder / "flags.plan.json")
    report = json.loads((folder / "library.report.json").read_text())
    assert report["output_path"] == str(folder / "library.tflite")
    assert report["compressed"]["file_bytes"] == len(half.tflite)


def test_the_page_alone(folder: Path, half: compiler.Compressed) -> None:
    assert half.report(folder / "alone.html") == folder / "alone.html"
    text = (folder / "alone.html").read_text()
    assert "What each budget costs" in text
    assert "conv1" in text
    with pytest.raises(compiler.BadInput, match=r"can't be written .* choose another path"):
        half.report(folder / "nowhere" / "alone.html")


@XMOS
def test_a_plan_brings_its_target(folder: Path, model: keras.Model) -> None:
    options = {**OPTIONS, "pruning_structure": "channel", "io": "uint8"}
    first = compiler.compress(model, target="cortex_m", compression_factor=0.6, **options)
    first.save_plan(folder / "micro.json")
    assert main(["--input_path", str(folder / "net.keras"), "--plan", str(folder / "micro.json"), "--quiet",
                 "--output_path", str(folder / "micro.tflite")]) == 0  # fmt: skip
    assert (folder / "micro.tflite").read_bytes() == first.tflite
    report = json.loads((folder / "micro.report.json").read_text())
    assert (report["target"], report["io"], report["asked_factor"]) == ("cortex_m", "uint8", None)


def test_the_model_stays_as_it_is(model: keras.Model, folder: Path, half: compiler.Compressed) -> None:
    untouched = keras.models.load_model(folder / "net.keras", compile=False)
    assert model.to_json() == untouched.to_json()
    for a, b in zip(model.get_weights(), untouched.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert half.model.count_params() < model.count_params() * 2


def test_fine_tuning_reaches_the_file_and_pruned_weights_stay_zero(
    model: keras.Model,
) -> None:
    """The hook's network forgets class 0, whatever the input: the file has to, too."""
    analysis = compiler.analyze(model, compression_type="spars", **OPTIONS)
    half = analysis.compress()
    pruned: dict[str, np.ndarray] = {}

    def tune(model: keras.Model) -> None:
        for layer in model.layers:
            if hasattr(layer, "kernel"):
                pruned[layer.name] = layer.kernel.numpy() == 0
                layer.kernel.assign_add(np.full(layer.kernel.shape, 1e-3))  # zeros too
        last = [layer for layer in model.layers if getattr(layer, "bias", None) is not None][-1]
        last.bias.assign_sub([50.0, 0, 0, 0])

    tuned = analysis.compress(half.plan, finetune=tune)
    assert any(mask.any() for mask in pruned.values())
    for name, mask in pruned.items():
        kernel = tuned.model.get_layer(name).kernel.numpy()
        assert not kernel[mask].any()
        assert kernel[~mask].any()
    x = analysis.session.knowledge.held_out[0]
    assert 0 in run(half.tflite, x)
    assert 0 not in run(tuned.tflite, x)
    assert tuned.result.evidence.loss > half.result.evidence.loss
    assert dict(tuned.plan.gates)["finetune"]


def test_a_score_of_ones_own_is_what_the_report_says(model: keras.Model, folder: Path) -> None:
    with np.load(folder / "val.npz") as data:
        x, y = data["x"][:40], data["y"][:40]

    def evaluate(predict: Any) -> np.ndarray:
        return 10.0 * (np.argmax(predict(x), -1) == y)

    scored = compiler.compress(
        model, evaluate=evaluate, method="fixed_loss", max_acc_loss=1.0, compression_type="tucker", jobs=2
    )
    evidence = scored.result.evidence
    assert (evidence.tier, evidence.metric, evidence.original, evidence.examples) == ("measured", "score", 10.0, 40)
    answers = run(scored.tflite, x)
    assert evidence.compressed == pytest.approx(10 * np.mean(answers == y))
    assert evidence.interval is not None
    assert evidence.evaluations >= 1


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda m: compiler.analyze(m, speed=3), "there is no option 'speed'; use one of .*compression_factor"),
        (
            lambda m: compiler.analyze(m, block_size=(8, 8), pruning_structure="filter"),
            "^block_size is read by pruning_",
        ),
        (lambda m: compiler.analyze(3), "int is no Keras model"),
        (lambda m: compiler.analyze("absent.keras"), "absent.keras does not exist"),
        (lambda m: compiler.analyze(m, target="toaster"), "^target is 'toaster'; use one of mobile"),
        (lambda m: compiler.compress(m, compression_factor=3), "^compression_factor is 3; it is the share kept"),
        (lambda m: compiler.analyze(m, data="none.npz"), "^data none.npz does not exist"),
    ],
)
def test_a_refusal_is_one_sentence(model: keras.Model, call: Any, sentence: str) -> None:
    with pytest.raises(compiler.BadInput, match=sentence):
        call(model)


def test_a_budget_is_one_share(analysis: compiler.Analysis) -> None:
    for wrong in ({}, {"params": 0.5, "macs": 0.5}, {"bytes": 1.5}):
        with pytest.raises(compiler.BadInput):
            analysis.solve(**wrong)
    with pytest.raises(compiler.BadInput, match=r"does not end in \.tflite"):
        analysis.compress(analysis.solve(params=0.9)).save("net.lite")
