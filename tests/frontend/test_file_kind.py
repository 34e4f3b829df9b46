"""Files that are not as they were written: one sentence, or none where the damage does no harm here."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from compiler.errors import BadInput
from compiler.frontend.file_kind import file_kind
from compiler.frontend.kernel_shapes import kernel_shapes
from tests.frontend.damaged import damaged

CONFIG = json.dumps({"class_name": "Functional"})


def hdf5() -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.attrs["model_config"] = CONFIG
        file["conv/kernel"], file["conv/bias"] = np.zeros((3, 3, 2, 4), np.float32), np.zeros(4, np.float32)
    return content.getvalue()


def archive(compression: int) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as file:
        file.writestr("metadata.json", "{}")
        file.writestr("config.json", CONFIG)
        file.writestr("model.weights.h5", hdf5())
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("net.h5", hdf5()),
        ("net.keras", archive(zipfile.ZIP_STORED)),
        ("net.keras", archive(zipfile.ZIP_DEFLATED)),
    ],
    ids=["hdf5", "stored", "deflated"],
)
def test_damage_ends_in_one_sentence(tmp_path: Path, name: str, whole: bytes) -> None:
    path = tmp_path / name
    refusals: list[str] = []
    path.write_bytes(whole)
    assert kernel_shapes(path, file_kind(path)) == ((3, 3, 2, 4),)
    for content in damaged(whole, 1200):
        path.write_bytes(content)
        try:
            shapes = kernel_shapes(path, file_kind(path))
        except BadInput as refused:
            refusals.append(str(refused))
        else:
            assert shapes is None or all(len(shape) == 4 for shape in shapes)
    assert len(refusals) > 100
    assert not any("\n" in refusal for refusal in refusals)
