"""A .tflite goes through the whole compiler as a Keras file does, and the report says what it was."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from compiler.frontend.load import load
from compiler.options import Options
from compiler.pipeline import compress
from compiler.tflite import flatbuffer
from tests.frontend.networks import values
from tests.frontend.tflite_files import float_file, int8_file
from tests.tiny import SHAPE, run, save_tiny


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`val.npz`, and the network as a float and as an int8 file calibrated on its images."""
    folder = tmp_path_factory.mktemp("tiny")
    save_tiny(folder)
    model = keras.models.load_model(folder / "net.keras", compile=False)
    (folder / "float.tflite").write_bytes(float_file(model))
    (folder / "int8.tflite").write_bytes(int8_file(model, images=[images(folder)]))
    return folder


def images(folder: Path) -> np.ndarray:
    with np.load(folder / "val.npz") as data:
        return data["x"]


def options(folder: Path, name: str, **given: object) -> Options:
    paths = {"input_path": folder / name, "output_path": folder / f"small_{name}", "data": str(folder / "val.npz")}
    return Options(**{**paths, "compression_factor": 0.7, "quiet": True, **given})  # type: ignore[arg-type]


def test_a_float_file(tiny: Path) -> None:
    result = compress(options(tiny, "float.tflite"))
    assert 0.5 < result.kept <= 0.7
    assert "no BatchNorm: natural noise moved until what 2 layers make" in result.provenance.calibration_source
    assert result.evidence.original == 1.0  # the labels are the network's own answers
    assert result.evidence.loss < 0.3
    assert not any("int8 file already" in note for note in result.notes)


def test_an_int8_file_whose_result_can_be_read_again(tiny: Path) -> None:
    result = compress(options(tiny, "int8.tflite"))
    size = (tiny / "int8.tflite").stat().st_size
    assert f"the input is an int8 file already, of {size:,} B; the original's figures are those" in result.notes[-1]
    assert "within the ranges that the file carries of 2; inputs 0..1" in result.provenance.calibration_source
    assert result.evidence.loss < 0.3
    small = tiny / "small_int8.tflite"
    graph = flatbuffer.subgraph(flatbuffer.read(small.read_bytes()))
    assert flatbuffer.shape_of(graph.tensors[graph.inputs[0]]) == (1, *SHAPE)

    outputs = values(load(small), [images(tiny)])[0]
    assert np.mean(outputs.argmax(1) == run(small.read_bytes(), images(tiny))) > 0.95
