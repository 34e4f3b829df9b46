"""What the compiler refuses between reading a network and studying it: the dear part has not begun."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from compiler.errors import BadInput
from compiler.frontend.read_network import Network, read_network
from compiler.options import Options
from compiler.pipeline import analyse
from compiler.report.progress import Silent
from compiler.run.cache import Cache
from compiler.run.calibration_inputs import Calibration, Effort, calibration_inputs, effort
from compiler.types import Plan
from tests.tiny import save_tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`net.keras`, `val.npz` in 0..1, and `bytes.npz`, the same as bytes."""
    folder = tmp_path_factory.mktemp("pipeline")
    save_tiny(folder)
    with np.load(folder / "val.npz") as data:
        np.savez(folder / "bytes.npz", x=np.round(255 * data["x"]).astype(np.uint8), y=data["y"])
    return folder


@pytest.fixture(autouse=True)
def no_study(monkeypatch: pytest.MonkeyPatch) -> None:
    def study(network: Network, *_: Any) -> None:
        raise LookupError(f"the study of {'a classifier' if network.classifier else 'a regression'} begins")

    inputs = np.random.default_rng(0).uniform(0, 1, (40, 8, 8, 3)).astype(np.float32)
    monkeypatch.setattr("compiler.pipeline.cached_study", study)
    monkeypatch.setattr("compiler.pipeline.calibration_inputs", lambda *_: Calibration((inputs,), "synthetic", (None,)))


def begin(folder: Path, **given: Any) -> None:
    paths = {"input_path": folder / "net.keras", "output_path": folder / "out.tflite"}
    options = Options(**(paths | given))
    analyse(options, options.input_path)


def test_examples_of_another_scale_are_refused_before_the_study(folder: Path) -> None:
    data = str(folder / "bytes.npz")
    with pytest.raises(BadInput, match=r"^--data bytes\.npz feeds .* 0 to 255, where the inputs that it is calibrated"):
        begin(folder, data=data)
    for allowed in ({"input_scale": 255.0}, {"input_range": (0.0, 255.0)}):
        with pytest.raises(LookupError):
            begin(folder, data=data, **allowed)
    with pytest.raises(LookupError, match="a classifier"):
        begin(folder, data=str(folder / "val.npz"))


def test_what_the_labels_tell_holds_for_the_study(folder: Path) -> None:
    network = keras.models.load_model(folder / "net.keras")
    logits = network.get_layer("logits")
    logits.activation = keras.activations.linear
    network.save(folder / "linear.keras")
    with np.load(folder / "val.npz") as data:
        np.savez(folder / "values.npz", x=data["x"], y=data["x"].mean((1, 2)))
    for data_path, study in (("val.npz", "a classifier"), ("values.npz", "a regression")):
        with pytest.raises(LookupError, match=study):
            begin(folder, input_path=folder / "linear.keras", data=str(folder / data_path))


def test_a_bound_on_a_network_at_chance_is_refused_before_the_study(folder: Path) -> None:
    with np.load(folder / "val.npz") as data:
        np.savez(folder / "shifted.npz", x=data["x"], y=(data["y"] + 1) % 4)
    bound: dict[str, Any] = {"method": "fixed_loss", "max_acc_loss": 0.1}
    with pytest.raises(BadInput, match=r"right on 0 of 80 examples of --data shifted\.npz, hardly better than chance"):
        begin(folder, data=str(folder / "shifted.npz"), **bound)
    for given in ({"data": str(folder / "val.npz"), **bound}, {"data": str(folder / "shifted.npz")}):
        with pytest.raises(LookupError):
            begin(folder, **given)


def test_a_plan_of_another_network_is_refused_before_any_input_is_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(*_: Any) -> None:
        raise AssertionError("inputs are made")

    monkeypatch.setattr("compiler.pipeline.calibration_inputs", make)
    plan = Plan((), "mobile", 0, "00")
    options = Options(input_path=folder / "net.keras", output_path=folder / "out.tflite", plan=folder / "p.plan.json")
    with pytest.raises(BadInput, match=r"^--plan 'p\.plan\.json' was made for another network; give that one"):
        analyse(options, options.input_path, plan=plan)


def test_inputs_are_the_same_whatever_is_excluded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that they are kept between such runs."""
    seen = []

    def watched(macs: int, values: int) -> Effort:
        seen.append(macs)
        return effort(macs, values)

    monkeypatch.setattr("compiler.run.calibration_inputs.effort", watched)
    for exclude in (None, "conv1"):
        network = read_network(folder / "net.keras", model_name=None, input_shape=None, exclude=exclude)
        options = Options(input_path=folder / "net.keras", output_path=folder / "out.tflite", exclude=exclude)
        calibration_inputs(network, options, Cache(enabled=False), Silent())
    assert seen[0] == seen[1] > 0
