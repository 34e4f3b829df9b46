from __future__ import annotations

import json
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]


def test_the_carried_network_is_what_its_provenance_says() -> None:
    import keras

    from compiler.evidence.accuracy import accuracy
    from compiler.evidence.load_data import load_data
    from models.digits import digits

    path = ROOT / "models/digits.keras"
    provenance = json.loads(path.with_suffix(".json").read_text())
    assert path.stat().st_size < 1_000_000
    model = keras.models.load_model(path)
    held_out = load_data("digits", input_shape=(8, 8, 1), classes=10)
    assert held_out.y is not None
    share = accuracy(np.asarray(model(held_out.inputs()[0], training=False)), held_out.y)
    assert abs(share - provenance["held_out_accuracy"]) <= 1 / len(held_out)  # one may turn on another machine
    assert len(held_out) == provenance["held_out_examples"]
    assert model.count_params() == provenance["parameters"] == digits().count_params()
    assert provenance["command"].startswith("python scripts/train.py")


def test_the_builder_takes_other_shapes_and_regimes() -> None:
    from models.digits import digits

    assert digits((16, 16, 3), 4).output_shape == (None, 4)
    plain = digits(batch_norm=False)
    assert not [layer for layer in plain.layers if "bn" in layer.name]
    assert plain.get_layer("conv1").use_bias
    assert not digits().get_layer("conv1").use_bias
