"""Filters that are removed are gone from the graph, and what stands in for them is exact where it can be."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from benchmarks.peers.neuron_merging import neuron_merging
from benchmarks.peers.removable import removable
from benchmarks.peers.remove_filters import Kept, pruned, remove_filters
from compiler.errors import Infeasible
from tests.benchmarks_.bench_of import bench_of


def chain(doubled: bool = False, between: str = "relu") -> keras.Model:
    """Two convolutions and a Dense; `doubled`: the first's second half are its first half, times factors."""
    inputs = keras.Input((6, 6, 3), name="image")
    h = layers.Conv2D(8, 3, padding="same", name="conv0")(inputs)
    if between == "depthwise":
        h = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(h)
    h = layers.ReLU(max_value=6.0 if between == "relu6" else None, name="relu0")(h)
    h = layers.ReLU(name="relu1")(layers.Conv2D(8, 3, padding="same", name="conv1")(layers.MaxPooling2D()(h)))
    outputs = layers.Dense(4, name="logits")(layers.GlobalAveragePooling2D()(h))
    model = keras.Model(inputs, outputs)
    random = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights([random.normal(size=w.shape) for w in layer.get_weights()])
    if doubled:
        kernel, bias = model.get_layer("conv0").get_weights()
        factors = np.array([0.5, 0.25, 0.75, 0.5])
        kernel[..., 4:], bias[4:] = kernel[..., :4] * factors, bias[:4] * factors
        model.get_layer("conv0").set_weights([kernel, bias])
    return model


def answers(model: keras.Model) -> np.ndarray:
    x = np.random.default_rng(5).normal(size=(7, 6, 6, 3)).astype(np.float32)
    return np.asarray(model(x))


def half_of_the_first(kernel: np.ndarray, bias: np.ndarray, count: int, way: object) -> Kept:
    """All filters of conv1, the first four of conv0."""
    return pruned(8, np.arange(4 if kernel.shape[2] == 3 else 8))


def test_what_is_removed_equals_zeros(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = chain()
    bench = bench_of(model, tmp_path, monkeypatch)
    narrow = remove_filters(bench, half_of_the_first).model
    assert narrow.get_layer("conv0").kernel.shape == (3, 3, 3, 4)
    assert narrow.get_layer("conv1").kernel.shape == (3, 3, 4, 8)
    kernel, bias = model.get_layer("conv1").get_weights()
    kernel[:, :, 4:] = 0
    model.get_layer("conv1").set_weights([kernel, bias])
    np.testing.assert_allclose(answers(narrow), answers(model), rtol=1e-4, atol=1e-4)


def test_a_depthwise_on_the_way_loses_its_channels_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = chain(between="depthwise")
    narrow = remove_filters(bench_of(model, tmp_path, monkeypatch), half_of_the_first).model
    assert narrow.get_layer("depthwise").kernel.shape == (3, 3, 4, 1)
    kernel, bias = model.get_layer("conv1").get_weights()
    kernel[:, :, 4:] = 0
    model.get_layer("conv1").set_weights([kernel, bias])
    np.testing.assert_allclose(answers(narrow), answers(model), rtol=1e-4, atol=1e-4)


def test_merging_is_exact_where_filters_are_multiples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = chain(doubled=True)
    bench = bench_of(model, tmp_path, monkeypatch)

    def first_merged(kernel: np.ndarray, bias: np.ndarray, count: int, way: object) -> Kept:
        return merged(kernel, bias, 4, way) if kernel.shape[2] == 3 else pruned(8, np.arange(8))  # type: ignore[arg-type]

    from benchmarks.peers.neuron_merging import merged

    narrow = remove_filters(bench, first_merged).model
    assert narrow.get_layer("conv0").kernel.shape[3] == 4
    np.testing.assert_allclose(answers(narrow), answers(model), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("between", ["relu6", "depthwise"])
def test_nothing_is_merged_where_a_factor_does_not_pass(
    between: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = bench_of(chain(between=between), tmp_path, monkeypatch).network
    ways = removable(network.folded, network.inventory)
    assert not ways["conv0"].scales
    assert ways["conv1"].scales


def test_layers_that_meet_an_add_keep_their_filters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = keras.Input((6, 6, 3), name="image")
    a = layers.Conv2D(4, 3, padding="same", name="a")(inputs)
    b = layers.Conv2D(4, 3, padding="same", name="b")(a)
    h = layers.Add(name="add")([a, b])
    h = layers.Conv2D(4, 3, padding="same", name="c")(h)
    bench = bench_of(keras.Model(inputs, layers.GlobalAveragePooling2D()(h)), tmp_path, monkeypatch)
    assert removable(bench.network.folded, bench.network.inventory) == {}
    with pytest.raises(Infeasible, match="no layer can lose filters"):
        neuron_merging(bench)


def test_inputs_mend_the_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = bench_of(chain(), tmp_path, monkeypatch, data="synthetic")
    narrow = remove_filters(bench, half_of_the_first).model
    x = bench.inputs[0]
    before, after = (
        np.asarray(keras.Model(m.input, m.get_layer("conv1").output)(x)).mean((0, 1, 2))
        for m in (bench.network.folded, narrow)
    )
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-3)
