"""Biases that the original's file need not store, since they are zero, are counted in plans, which fill them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest
from keras import layers

from compiler.options import Options
from compiler.pipeline import analyse, priced
from compiler.run.attempt import Attempts, share
from compiler.run.front import point
from compiler.solver.fixed_params import UNITS
from compiler.types import DENSE
from tests.frontend.networks import randomize


def blocks(x: Any, count: int, conv: Callable[[int], Any]) -> Any:
    """Residual blocks, normalized in front of their convolutions, as in ResNet v2."""
    for index in range(count):
        h = layers.ReLU()(layers.BatchNormalization(name=f"norm{index}")(x))
        x = layers.Add()([x, conv(index)(h)])
    return layers.GlobalAveragePooling2D()(x)


def convolution(index: int) -> Any:
    return layers.Conv2D(8, 3, padding="same", use_bias=False, name=f"conv{index}")


def separable(index: int) -> Any:
    return layers.SeparableConv2D(8, 3, padding="same", use_bias=False, name=f"conv{index}")


def convolutions() -> keras.Model:
    inputs = keras.Input((12, 12, 8))
    return keras.Model(inputs, layers.Dense(6, use_bias=False)(blocks(inputs, 3, convolution)))


def wide_head() -> keras.Model:
    inputs = keras.Input((12, 12, 8))
    return keras.Model(inputs, layers.Dense(200, use_bias=False, name="head")(blocks(inputs, 2, convolution)))


def depthwise() -> keras.Model:
    """Whose biases are as long as those of the convolutions behind them."""
    inputs = keras.Input((12, 12, 8))
    return keras.Model(inputs, layers.Dense(6)(blocks(inputs, 3, separable)))


def shared() -> keras.Model:
    """A layer that is applied to inputs of three scales: three biases, once they are other than zero."""
    x = inputs = keras.Input((12, 12, 8))
    conv = layers.Conv2D(8, 3, padding="same", use_bias=False, name="shared")
    for _ in range(3):
        x = layers.ReLU()(conv(x))
    return keras.Model(inputs, layers.Dense(4)(layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, name="last")(x))))


@pytest.mark.parametrize(
    ("network", "flags"),
    [
        (convolutions, {}),
        (convolutions, {"target": "cortex_m"}),
        (wide_head, {"exclude": "head"}),  # which keeps no bias
        (depthwise, {}),
        (shared, {}),
    ],
    ids=["convolutions", "cortex_m", "wide head", "depthwise", "shared"],
)
def test_a_plan_keeps_what_it_was_priced_at(
    network: Callable[[], keras.Model], flags: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "net.keras"
    randomize(network()).save(path)
    options = Options(input_path=path, output_path=tmp_path / "net.tflite", **flags)
    session = analyse(options, path)
    offered = priced(session)
    plan = Attempts(session, offered, "params").wishes.plan(0.9)[0]
    built = session.build(plan.choices, plan.losses, plan.predicted_loss)
    assert share(built.emitted, session.original, "params") == pytest.approx(plan.kept, abs=1e-6)
    chosen = [next(c for c in offered[name] if c.choice == choice) for name, choice in plan.choices]
    assert point(session, chosen, UNITS["params"]).factor == pytest.approx(plan.kept, abs=1e-9)


def test_their_buffers_and_tensors_are_bytes_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    randomize(convolutions()).save(path)
    session = analyse(Options(input_path=path, output_path=tmp_path / "net.tflite"), path)
    whole = session.build(tuple((site.name, DENSE) for site in session.inventory.sites), (), 0.0).emitted.figures
    assert whole.file_bytes == pytest.approx(session.filled.file_bytes, abs=64)
    assert whole.file_bytes > session.original.figures.file_bytes + 300
