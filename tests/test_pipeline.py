"""What the compiler refuses between reading a network and studying it: the dear part has not begun."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from compiler.errors import BadInput
from compiler.frontend.read_network import Network
from compiler.options import Options
from compiler.pipeline import analyse
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
    monkeypatch.setattr("compiler.pipeline.calibration_inputs", lambda *_: ((inputs,), "synthetic"))


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
