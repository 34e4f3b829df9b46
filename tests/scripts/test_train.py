from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_training_writes_a_network_and_its_provenance(tmp_path: Path) -> None:
    flags = ["--output_path", str(tmp_path / "net.keras"), "--regularize", "l1", "--epochs", "1", "--seed", "3"]
    done = subprocess.run([sys.executable, "scripts/train.py", *flags], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    provenance = json.loads((tmp_path / "net.json").read_text())
    assert (provenance["regularize"], provenance["epochs"], provenance["seed"]) == ("l1", 1, 3)
    assert provenance["held_out_accuracy"] > 0.1
    import keras

    assert keras.models.load_model(tmp_path / "net.keras").count_params() == provenance["parameters"]


def test_shifts_keep_the_ink_and_the_shape() -> None:
    train = pytest.importorskip("scripts.train", reason="needs TensorFlow")
    x = np.zeros((64, 8, 8, 1), np.float32)
    x[:, 3, 4, 0] = np.arange(1, 65)
    moved = train.shifted(x, np.random.default_rng(0))
    assert moved.shape == x.shape
    assert moved.sum((1, 2, 3)) == pytest.approx(np.arange(1, 65))
    rows, columns = np.nonzero(moved)[1:3]
    assert set(rows) == {2, 3, 4}
    assert set(columns) == {3, 4, 5}


@pytest.mark.parametrize(("regime", "power", "factor"), [("l1", 1, 1e-4), ("l2", 2, 1e-3)])
def test_penalties_reach_every_kernel(regime: str, power: int, factor: float) -> None:
    train = pytest.importorskip("scripts.train", reason="needs TensorFlow")
    model = train.digits(regularizer=train.PENALTIES[regime])
    kernels = [w for w in model.get_weights() if w.ndim > 1]
    expected = factor * sum(float(np.sum(np.abs(w) ** power)) for w in kernels)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-4)
    assert len(model.losses) == len(kernels) == 6
