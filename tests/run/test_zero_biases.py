"""Biases that the original's file need not store, since they are zero, are counted in plans, which fill them."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest
from keras import layers

from compiler.options import Options
from compiler.pipeline import analyse, priced
from compiler.run.attempt import Attempts, share
from tests.frontend.networks import randomize


def zero_biases(path: Path) -> None:
    """Three residual blocks, normalized in front of their convolutions, as in ResNet v2."""
    x = inputs = keras.Input((12, 12, 8))
    for index in range(3):
        h = layers.ReLU()(layers.BatchNormalization(name=f"norm{index}")(x))
        x = layers.Add()([x, layers.Conv2D(8, 3, padding="same", use_bias=False, name=f"conv{index}")(h)])
    model = randomize(keras.Model(inputs, layers.Dense(6, use_bias=False)(layers.GlobalAveragePooling2D()(x))))
    model.save(path)


@pytest.mark.parametrize("target", ["mobile", "cortex_m"])
def test_a_plan_keeps_what_it_was_priced_at(target: str, tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    zero_biases(path)
    session = analyse(Options(input_path=path, output_path=tmp_path / "net.tflite", target=target), path)
    plan = Attempts(session, priced(session), "params").wishes.plan(0.8)[0]
    built = session.build(plan.choices, plan.losses, plan.predicted_loss)
    assert share(built.emitted, session.original, "params") == pytest.approx(plan.kept, abs=1e-6)
