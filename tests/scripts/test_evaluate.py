from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
DIGITS = str(ROOT / "models/digits.keras")


@pytest.fixture
def evaluate(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec = importlib.util.spec_from_file_location("evaluate", ROOT / "scripts/evaluate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _run(evaluate: ModuleType, monkeypatch: pytest.MonkeyPatch, *flags: str) -> int:
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *flags])
    return evaluate.main()


def test_accuracy_of_a_keras_file(
    evaluate: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert _run(evaluate, monkeypatch, "--input_path", DIGITS, "--data", "digits") == 0
    out = capfd.readouterr().out
    assert "% right, 59" in out
    assert "of 599 of digits (held-out), 95 % interval 98." in out


def test_scale_and_limit_are_used(
    evaluate: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from compiler.evidence.read_digits import read_digits

    digits = read_digits()
    np.savez(tmp_path / "d.npz", x=(digits.x[0] * 160).astype(np.uint8), y=digits.y)
    flags = ["--input_path", DIGITS, "--data", str(tmp_path / "d.npz"), "--eval_samples", "50"]
    assert _run(evaluate, monkeypatch, *flags, "--input_scale", "160") == 0
    assert "of 50 of 50 of 599 of d.npz" in capfd.readouterr().out
    assert _run(evaluate, monkeypatch, *flags, "--input_scale", "160", "--input_mean", "-9") == 0
    assert "100.0 % right" not in capfd.readouterr().out


def test_a_network_at_chance_is_said_to_be(
    evaluate: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from compiler.evidence.read_digits import read_digits

    digits = read_digits()
    assert digits.y is not None
    np.savez(tmp_path / "d.npz", x=digits.x[0], y=(digits.y + 1) % 10)
    assert _run(evaluate, monkeypatch, "--input_path", DIGITS, "--data", str(tmp_path / "d.npz")) == 0
    assert "; HARDLY BETTER THAN CHANCE: are --input_scale" in capfd.readouterr().out
    assert _run(evaluate, monkeypatch, "--input_path", DIGITS, "--data", "digits") == 0
    assert "CHANCE" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--input_path", DIGITS], "--data is missing"),
        (["--input_path", "absent.tflite", "--data", "digits"], "absent.tflite does not exist"),
        (["--input_path", "absent.keras", "--data", "digits"], "absent.keras does not exist"),
        (["--input_path", DIGITS, "--data", "digits", "--input_scale", "0"], "--input_scale is 0"),
        (["--data", "digits"], "required: --input_path"),
    ],
)
def test_refusals(
    evaluate: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    flags: list[str],
    message: str,
) -> None:
    assert _run(evaluate, monkeypatch, *flags) == 2
    assert message in capfd.readouterr().err


def test_unlabelled_examples_and_networks_of_no_classes(
    evaluate: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import keras

    np.savez(tmp_path / "x.npz", x=np.zeros((3, 8, 8, 1)))
    assert _run(evaluate, monkeypatch, "--input_path", DIGITS, "--data", str(tmp_path / "x.npz")) == 2
    assert "has no labels" in capfd.readouterr().err
    image = keras.Input((8, 8, 1))
    keras.Model(image, keras.layers.Conv2D(2, 3)(image)).save(tmp_path / "map.keras")
    assert _run(evaluate, monkeypatch, "--input_path", str(tmp_path / "map.keras"), "--data", "digits") == 2
    assert "is no classifier" in capfd.readouterr().err


def test_accuracy_of_an_int8_file(
    evaluate: ModuleType, monkeypatch: pytest.MonkeyPatch, shared: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    network, data = shared / "models/tflite/kws_ref_model.tflite", shared / "data/kws_dev.npz"
    flags = ["--input_path", str(network), "--data", str(data), "--eval_samples", "100"]
    assert _run(evaluate, monkeypatch, *flags) == 0
    share = float(capfd.readouterr().out.split(": ")[1].split(" %")[0])
    assert 80 <= share <= 98  # 90.4 on all 500
