"""What is refused before Keras and TensorFlow are loaded: importing either fails here."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from compiler.backend.targets import TARGETS
from compiler.backend.targets.target import Target
from compiler.errors import BadInput
from compiler.frontend.file_kind import file_kind
from compiler.frontend.kernel_shapes import kernel_shapes
from tests.tiny import save_tiny

ROOT = Path(__file__).resolve().parents[2]

# verb, flags, the sentence; {f} is the folder
CASES = (
    ("compress", "--input_path {f}/junk.keras", "is neither a .keras nor an HDF5 nor a TFLite file"),
    ("compress", "--input_path {f}/cut.keras", "is damaged or truncated (its table of contents)"),
    ("compress", "--input_path {f}/net.keras --model resnet20", "holds its own graph; leave --model resnet20 out"),
    ("compress", "--input_path {f}/w.weights.h5 --model lenet", "--model lenet is not in models/; it is one of digits"),
    ("compress", "--input_path {f}/w.h5", "w.h5 holds weights but no graph; name its builder with --model"),
    ("compress", "--input_path {f}/net.keras --data val.npz", "--data val.npz does not exist"),
    ("compress", "--input_path {f}/net.keras --data vall", "--data 'vall' is neither a file, a folder nor a known"),
    ("compress", "--input_path {f}/net.keras --calibration_data c.npz", "--calibration_data c.npz does not exist"),
    ("compress", "--input_path {f}/net.keras --plan {f}/bad.plan.json", "bad.plan.json"),
    ("compress", "--input_path {f}/net.keras --io uint8 --target xcore", "--io uint8: xcore runs files with int8"),
    ("compress", "--input_path {f}/net.keras --accelerator ethos-u65-256", "--accelerator is read by --target ethos_u"),
    ("compress", "--input_path {f}/net.keras --target xcore --pruning_structure unstructured", "xcore can't hold"),
    (
        "compress",
        "--input_path {f}/net.keras --pruning_structure block --block_size 5,7",
        "--block_size 5,7 divides the channels of no convolution (3×12, 12×16, …); choose divisors",
    ),
    ("inspect", "--input_path {f}/cut.keras", "is damaged or truncated"),
    ("inspect", "--input_path {f}/net.keras --target xcore --io uint8", "--io uint8: xcore"),
    ("sweep", "--input_path {f}/junk.keras --output_folder {f}/s", "is neither a .keras"),
    ("sweep", "--input_path {f}/net.keras --output_folder {f}/s --data vall", "--data 'vall' is neither"),
    (
        "sweep",
        "--input_path {f}/net.keras --output_folder {f}/net.keras",
        "net.keras can't be written (Not a d",
    ),
    ("verify", "{f}/net.tflite", "net.report.json' does not exist"),
    ("verify", "{f}/net.tflite --input_path {f}/absent.keras", "absent.keras does not exist"),
    ("report", "{f}/absent.report.json", "does not exist; give the .report.json"),
)
CODE = """
import contextlib, io, json, sys
sys.modules["tensorflow"] = sys.modules["keras"] = None
from compiler.verbs import main
for words in json.loads(sys.argv[1]):
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = main(words)
    print(json.dumps([code, said.getvalue()]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first")
    save_tiny(folder)
    (folder / "junk.keras").write_bytes(b"no network at all")
    (folder / "cut.keras").write_bytes((folder / "net.keras").read_bytes()[:-100])
    (folder / "bad.plan.json").write_text("{}")
    (folder / "net.tflite").write_bytes(b"\0" * 100)
    for name in ("w.weights.h5", "w.h5"):
        with h5py.File(folder / name, "w") as file:
            file["kernel"] = np.zeros((3, 3, 4, 8))
    return folder


def test_what_needs_no_keras_is_refused_without_it(folder: Path) -> None:
    before = sorted(folder.iterdir())
    asked = []
    for verb, flags, _ in CASES:
        writes = ["--output_path", str(folder / "out.tflite")] if verb == "compress" else []
        asked.append([verb, *flags.format(f=folder).split(), *writes])
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(asked)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for (verb, flags, sentence), line in zip(CASES, done.stdout.splitlines(), strict=True):
        code, said = json.loads(line)
        assert code == 2, f"{verb} {flags}: {said}"
        assert said.startswith("error: "), f"{verb} {flags}: {said}"
        assert said.count("\n") == 1
        assert sentence in said, f"{verb} {flags}: {said}"
    assert sorted(folder.iterdir()) == before


def test_blocks_that_divide_a_kernel_pass(folder: Path) -> None:
    from compiler.options import Options
    from compiler.run.check_first import check_first

    asked = {"input_path": folder / "net.keras", "output_path": folder / "out.tflite"}
    for block in ((3, 4), (4, 4), (12, 16)):
        check_first(Options(**asked, pruning_structure="block", block_size=block))
    check_first(Options(**asked, block_size=(5, 7)))  # auto has other blocks beside it


def test_kernels_are_read_from_every_kind(folder: Path, tmp_path: Path) -> None:
    import keras

    assert set(kernel_shapes(folder / "net.keras", "archive") or ()) == {(3, 3, 3, 12), (3, 3, 12, 16)}
    keras.models.load_model(folder / "net.keras").save(tmp_path / "net.h5")
    assert file_kind(tmp_path / "net.h5") == "hdf5"
    assert set(kernel_shapes(tmp_path / "net.h5", "hdf5") or ()) == {(3, 3, 3, 12), (3, 3, 12, 16)}
    assert kernel_shapes(folder / "w.h5", "weights") == ((3, 3, 4, 8),)
    assert kernel_shapes(folder / "net.tflite", "tflite") is None
    for name, content in (("model.weights.h5", b"no HDF5"), ("other", b"")):
        with zipfile.ZipFile(tmp_path / "odd.keras", "w") as archive:
            archive.writestr(name, content)
        assert kernel_shapes(tmp_path / "odd.keras", "archive") is None


def test_a_tool_that_is_not_installed_is_said_first(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata

    def absent(package: str) -> str:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(
        "compiler.backend.targets.target.importlib",
        SimpleNamespace(
            metadata=SimpleNamespace(version=absent, PackageNotFoundError=importlib.metadata.PackageNotFoundError)
        ),
    )
    TARGETS["c"].require_tool()
    for name, sentence in (
        ("xcore", r"xcore-opt and TFLMHostInterpreter of xmos-ai-tools is not installed: it needs numpy below 2"),
        ("ethos_u", r"Vela of ethos-u-vela is not installed: pip install -r requirements\.txt"),
    ):
        target: Target = TARGETS[name]
        with pytest.raises(BadInput, match=sentence):
            target.require_tool()
