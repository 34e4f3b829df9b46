"""Archives that are not as they were written: one sentence, or examples where the damage is in a value."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from compiler.errors import BadInput
from compiler.evidence.read_npz import read_npz
from tests.frontend.damaged import damaged


@pytest.mark.filterwarnings("ignore:Reading `.npy` or `.npz` file required additional header parsing")
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damage_ends_in_one_sentence(tmp_path: Path, save) -> None:  # type: ignore[no-untyped-def]
    content = io.BytesIO()
    save(content, x=np.zeros((4, 3), np.float32), y=np.arange(4))
    path = tmp_path / "val.npz"
    refusals: list[str] = []
    for spoilt in damaged(content.getvalue(), 1500):
        path.write_bytes(spoilt)
        try:
            read_npz(path, inputs=1, flag="--data")
        except BadInput as refused:
            refusals.append(str(refused))
    assert len(refusals) > 500
    assert all(refusal.startswith(f"--data {path} ") and "\n" not in refusal for refusal in refusals)
