"""Few bits a weight from end to end: half the bytes and one layer, a plan that replays, all targets that hold them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from compiler.backend.targets import TARGETS
from compiler.errors import BadInput
from compiler.options import Options
from compiler.pipeline import compress
from compiler.result import Result
from compiler.run.plan_json import read_plan
from compiler.run.session import few_bits_of
from compiler.tflite import flatbuffer
from compiler.types import Choice, ConvSite
from tests.tiny import run, save_tiny, tiny_options
from tests.tools import XMOS

MENU: dict[str, Any] = {"compression_type": "spars", "pruning_structure": "filter", "weight_bits": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("few_bits")
    save_tiny(folder)
    return folder


def options(folder: Path, name: str, **changes: Any) -> Options:
    """Without low rank on the menu, which suits this network too well."""
    return tiny_options(folder, name, **({"compression_factor": 0.65, "no_html": True} | MENU | changes))


@pytest.fixture(scope="module")
def packed(folder: Path) -> Result:
    return compress(options(folder, "packed"))


def test_a_layer_keeps_its_shape_in_half_its_bytes(folder: Path, packed: Result) -> None:
    rows = {layer.name: layer for layer in packed.layers}
    four = [layer for layer in packed.layers if layer.bits == 4]
    assert four
    for layer in four:
        assert layer.choice == "dense"
        assert layer.bytes_before is not None
        assert layer.bytes_after is not None
        assert layer.bytes_after < 0.6 * layer.bytes_before
        assert layer.macs_after == layer.macs_before
    assert rows["logits"].bits == 8  # a Dense keeps its eight
    assert packed.kept <= 0.65
    with np.load(folder / "val.npz") as data:
        answers = run((folder / "packed.tflite").read_bytes(), data["x"])
        assert np.mean(answers == data["y"]) > 0.85


def test_it_loses_less_than_eight_bits_at_the_same_bytes(folder: Path, packed: Result) -> None:
    eight = compress(options(folder, "eight", weight_bits=8))
    assert eight.predicted_loss is not None
    assert packed.predicted_loss is not None
    assert packed.predicted_loss < eight.predicted_loss
    assert all(layer.bits == 8 for layer in eight.layers)
    assert all(layer.bits == 8 for layer in compress(options(folder, "own", weight_bits=None)).layers)


def test_a_bound_on_time_leaves_them_out_where_they_break_it(folder: Path, packed: Result) -> None:
    """LiteRT's kernels of four bits take about four times as long as XNNPACK's of eight."""
    quick = compress(options(folder, "quick", max_latency_ratio=1.2))
    assert quick.kept <= 0.65
    assert [layer.bits for layer in quick.layers] != [layer.bits for layer in packed.layers]


def test_the_plan_replays_to_the_same_bytes(folder: Path, packed: Result) -> None:
    plan = folder / "packed.plan.json"
    assert {choice.bits for _, choice in read_plan(plan).choices} == {4, 8}
    again = options(folder, "again", plan=plan, weight_bits=8)  # the plan knows
    compress(again)
    assert (folder / "again.tflite").read_bytes() == (folder / "packed.tflite").read_bytes()


def test_recovery_and_fine_tuning_leave_it_on_its_grid(folder: Path) -> None:
    import compiler

    def shaken(model: keras.Model) -> None:
        for layer in model.layers:
            layer.set_weights(
                [w * (1 + 0.01 * np.cos(np.arange(w.size)).reshape(w.shape)) for w in layer.get_weights()]
            )

    analysis = compiler.analyze(folder / "net.keras", **MENU, recover="synthetic", seed=3)
    plan = analysis.solve(params=0.65)
    assert any(choice.bits == 4 for _, choice in plan.choices)
    trained = compiler.compress(folder / "net.keras", plan)
    tuned = compiler.compress(folder / "net.keras", plan, finetune=shaken)
    for result in (trained, tuned):
        assert result.result.kept <= 0.65


@XMOS
def test_a_microcontroller_runs_it(folder: Path) -> None:
    result = compress(options(folder, "m4", target="cortex_m"))
    assert any(layer.bits == 4 for layer in result.layers)
    assert result.on_target is not None
    assert result.on_target.compressed.max_lsb in (0, 1)


def test_vela_codes_few_values_in_few_bits(folder: Path) -> None:
    """Its file stays int8, and smaller than eight bits a weight allow."""
    result = compress(options(folder, "u3", target="ethos_u", weight_bits=None, compression_factor=0.6))
    few = [layer for layer in result.layers if layer.bits < 8]
    assert few
    model = flatbuffer.read((folder / "u3.tflite").read_bytes())
    kinds = {tensor.type for tensor in flatbuffer.subgraph(model).tensors}
    assert schema.TensorType.INT4 not in kinds
    assert result.kept <= 0.6


def test_emitted_c_reads_it_as_it_is(folder: Path) -> None:
    result = compress(options(folder, "c4", target="c", weight_bits=None))  # by itself
    assert any(layer.bits < 8 for layer in result.layers)
    assert "conv2d_coded_s8.c" in {path.name for path in (folder / "c4.c").iterdir()}
    assert result.kept <= 0.65
    assert result.on_target is not None
    assert result.on_target.compressed.max_lsb == 0


def test_a_target_that_has_no_kernel_for_it_says_so(folder: Path) -> None:
    with pytest.raises(BadInput, match=r"^--weight_bits 4: target xcore: Kernels have to be int8: .* Use 8\.$"):
        compress(options(folder, "xcore", target="xcore"))


def test_a_phone_has_none_between(folder: Path) -> None:
    with pytest.raises(BadInput, match=r"^--weight_bits 3: target mobile: Kernels have eight or four .* Use 8 or 4\.$"):
        compress(options(folder, "three", weight_bits=3))


def test_other_numbers_are_refused(folder: Path) -> None:
    with pytest.raises(BadInput, match=r"^--weight_bits is 5; use one of 8, 4, 3, 2\.$"):
        options(folder, "five", weight_bits=5)


def test_only_layers_that_the_plan_gives_few_bits_keep_their_steps() -> None:
    """One weight a column is a whole step by itself, and may be trained to any other."""
    inputs = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(3, 1, name="thin")(inputs)
    model = keras.Model(inputs, keras.layers.Conv2D(2, 1, name="wide_last")(x))
    model.get_layer("wide_last").set_weights([np.float32([[[[7, -3], [2, 1], [0, 3]]]]), np.zeros(2)])
    few = (("thin", Choice()), ("wide", Choice("svd", (3,), bits=2.1)))
    assert {name: steps.tolist() for name, steps in few_bits_of(model, few).items()} == {"wide_last": [1, 1]}
    assert few_bits_of(model, (("thin", Choice()), ("wide", Choice("svd", (3,))))) == {}


def test_a_shared_layer_keeps_its_eight_bits() -> None:
    """Two operators read its kernel, which is stored once."""
    site = ConvSite("conv", "conv", (3, 3), 16, 16)
    for name in ("mobile", "cortex_m", "ethos_u", "c"):
        assert TARGETS[name].refusal(site, Choice(bits=4)) is None
        said = TARGETS[name].refusal(replace(site, calls=2), Choice(bits=4))
        assert said is not None
        assert "is shared by 2 calls" in said
