from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compiler.check_paths import check_paths
from compiler.errors import BadInput
from compiler.options import Options


def _check(folder: Path, **given: Any) -> None:
    (folder / "net.keras").touch()
    paths: dict[str, Any] = {"input_path": folder / "net.keras", "output_path": folder / "net.tflite"}
    check_paths(Options(**{**paths, **given}))


def test_good_paths_leave_nothing_behind(tmp_path: Path) -> None:
    _check(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["net.keras"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"input_path": "absent.keras"}, r"absent\.keras does not exist; give the path"),
        ({"input_path": "folder"}, r"folder is a folder; save the model as a \.keras file"),
        ({"input_path": "net.weights.h5"}, r"holds weights only; name the builder of their network with --model"),
        ({"output_path": "net.onnx"}, r"does not end in \.tflite"),
        ({"output_path": "dir.tflite"}, r"dir\.tflite is a folder; name a file to write"),
        ({"output_path": "nowhere/net.tflite"}, r"nowhere of --output_path does not exist; make it with mkdir -p"),
        ({"plan": "absent.plan.json"}, r"absent\.plan\.json does not exist; give the \.plan\.json"),
    ],
)
def test_bad_paths(tmp_path: Path, given: dict[str, str], message: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "dir.tflite").mkdir()
    (tmp_path / "net.weights.h5").touch()
    with pytest.raises(BadInput, match=message):
        _check(tmp_path, **{flag: tmp_path / name for flag, name in given.items()})


def test_a_folder_that_takes_no_files(tmp_path: Path) -> None:
    unwritable = Path("/proc")  # even root makes no file there
    if not unwritable.is_dir():
        pytest.skip("needs a folder that nobody can write, such as Linux's /proc")
    with pytest.raises(BadInput, match=r"/proc of --output_path can't be written \(.+\); choose another one"):
        _check(tmp_path, output_path=unwritable / "net.tflite")
