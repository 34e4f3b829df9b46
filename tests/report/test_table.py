from __future__ import annotations

import io
from dataclasses import replace

import pytest

from compiler.report.table import becomes, change, evidence_line, points, print_report, target_line
from compiler.result import Evidence, LayerReport, Result, TimeRatio


def _print(result: Result) -> str:
    stream = io.StringIO()
    print_report(result, stream)
    return stream.getvalue()


def test_the_report_says_what_the_file_is(result: Result) -> None:
    lines = _print(result).splitlines()
    assert lines[0].startswith("keeps 50 % (factor 0.5)")
    flat = {" ".join(line.split()) for line in lines}
    for line in (
        "net.keras → out/net.tflite, for mobile, int8 in and out",
        "parameters 5,000 2,400 48.0 %",
        "stored weight bytes 6,000 2,970 49.5 %",
        "file bytes 9,000 5,500 61.1 %",
        "multiply-accumulates 300,000 150,000 50.0 %",
        "flash bytes, mobile 9,000 5,500 61.1 %",
        "arena bytes, mobile (estimate) 4,096 4,096 100.0 %",
        "ms, mobile (measured) 0.134 0.1 74.6 %",
        "accuracy as int8 90.8 % 90.0 %",
        "run by LiteRT 2.3.0 on 64 inputs, against LiteRT's reference kernels: within 2 steps, SNR 33.0 dB, top-1 "
        "agreement 100.0 %; the original: within 3 steps, SNR 31.5 dB, top-1 agreement 98.0 %",
        "conv1 tucker2 8×9 + block 2.1 % 4,736 → 1,800 294,912 → 147,456 0.012",
        "logits dense 680 640 0",
        "dw left: each filter sees one channel",
        "accuracy, measured on 240 examples (the report half of val.npz): 91.2 % (float original) → 90.0 % "
        "(this file), loss 1.25 points, 95 % interval -0.50 to 3.00, McNemar p = 0.12",
        "predicted loss of the plan: 0.0123 nats",
        "verified in LiteRT 2.3.0 on 64 examples (synthetic inputs), against the compressed float model: SNR 23.1 dB, "
        "top-1 agreement 98.4 %; against the original: SNR 15.2 dB, top-1 agreement 95.3 %; "
        "operators: 4 CONV_2D, 1 ADD",
        "note: The network has no BatchNorm; inputs are noise.",
        "seed 7, model abcdef012345, calibrated on 256 synthetic inputs 0123456789ab; refit kept, correct_bias dropped",
        "tensorflow 2.21.0, keras 3.15.1",
        "12 s after start-up, 1.00 GiB at most",
    ):
        assert line in flat


def test_a_search_says_what_it_asked_and_saw(result: Result) -> None:
    searched = replace(
        result,
        max_acc_loss=0.02,
        asked_factor=None,
        evidence=replace(result.evidence, search_loss=0.0175, search_examples=239, evaluations=9),
    )
    text = _print(searched)
    assert "asked: a loss of at most 2.00 points\n" in text
    assert "search: 9 files measured, loss 1.75 points on its own 239 examples\n" in text
    assert "estimate" not in text.partition("search:")[2].partition("\n")[0]


def test_a_search_on_synthetic_inputs_is_called_an_estimate(result: Result) -> None:
    synthetic = Evidence("estimated", "disagreement", 0.03, 64, "synthetic inputs", search_loss=0.0156)
    synthetic = replace(synthetic, search_examples=64, evaluations=9)
    text = _print(replace(result, max_acc_loss=0.02, evidence=synthetic))
    assert (
        "search: 9 files tried, disagreement 1.6 %, an estimate, on the same 64 inputs that are reported on\n" in text
    )
    assert "own" not in text.partition("search:")[2].partition("\n")[0]


def test_a_tool_that_runs_nothing_says_so(result: Result) -> None:
    assert result.on_target is not None
    on = replace(result.on_target, tool="Vela 5", executed=False)
    assert target_line(on) == "accepted by Vela 5, which runs nothing here: its figures are estimates"


def test_a_clock_says_how_far_its_rounds_agree(result: Result) -> None:
    assert "clock" not in _print(result)
    assert result.on_target is not None
    compressed = result.on_target.compressed
    read = replace(compressed.figures, time_ratio=TimeRatio(0.751, 0.7, 1.3, 21))
    on = replace(result.on_target, compressed=replace(compressed, figures=read))
    assert (
        "time read off a clock, the two files in turn: 0.75 times the original's, 0.70 to 1.30 in eight of ten of the "
        "21 rounds\n"
    ) in _print(replace(result, on_target=on))


def test_what_is_no_file_is_called_none(result: Result) -> None:
    assert result.on_target is not None
    runs = [result.on_target.original, result.on_target.compressed]
    for label in ("constants alone", "kernels and constants, linked for a cortex-m4"):
        extra: tuple[tuple[str, float | str], ...] = (("kernel_calls", 4.0),)
        if label == "constants alone":
            extra += (("board", "arm-none-eabi-gcc is not installed"),)
        old, new = (replace(run, figures=replace(run.figures, flash_label=label, extra=extra)) for run in runs)
        on = replace(result.on_target, original=old, compressed=new)
        text = _print(replace(result, target="c", counted="constants in flash", on_target=on))
        flat = {" ".join(line.split()) for line in text.splitlines()}
        assert "bytes of constants in flash 9,000 5,500 61.1 %" in flat
        assert f"flash bytes, c ({label}) 9,000 5,500 61.1 %" in flat
        assert "file bytes" not in text
        assert "kernel calls 4 4 100.0 %" in flat
        assert "kernel calls:" not in text
        assert ("board: arm-none-eabi-gcc is not installed" in flat) == (label == "constants alone")


def test_an_estimate_is_called_one() -> None:
    synthetic = Evidence("estimated", "disagreement", 0.03125, 64, "synthetic inputs", upper_bound=0.0945)
    assert evidence_line(synthetic) == (
        "disagreement, estimated on 64 examples (synthetic inputs): 3.1 %, at most 9.4 % of such inputs, others may "
        "change more (exact, 95 %)"
    )


def test_a_bound_is_called_one() -> None:
    unlabelled = Evidence("bounded", "disagreement", 0.02, 100, "photos.npz", upper_bound=0.062)
    assert evidence_line(unlabelled) == (
        "disagreement, which bounds the loss of accuracy, on 100 examples (photos.npz): 2.0 %, "
        "at most 6.2 % (exact, 95 %)"
    )
    assert evidence_line(replace(unlabelled, interval=(0.0024, 0.0704))).endswith(
        "(photos.npz): 2.0 %, at most 6.2 % (exact, 95 %; two-sided 0.2 % to 7.0 %)"
    )


def test_other_networks_have_no_accuracy() -> None:
    error = Evidence("measured", "relative output error", 0.051, 80, "maps.npz", interval=(0.046, 0.0557))
    assert evidence_line(error) == (
        "relative output error, measured on 80 examples (maps.npz): 5.1 %, 95 % interval 4.6 % to 5.6 %"
    )
    score = Evidence(
        "measured", "score", 0.021, 80, "maps.npz", original=0.71, compressed=0.689, interval=(0.0098, 0.0321)
    )
    assert evidence_line(score) == (
        "score, measured on 80 examples (maps.npz): 0.71 (float original) → 0.689 (this file), loss 0.021, "
        "95 % interval 0.0098 to 0.0321"
    )


def test_losses_of_other_networks_are_no_points(result: Result) -> None:
    evidence = Evidence("estimated", "relative output error", 0.05, 80, "synthetic inputs", search_loss=0.04)
    text = _print(replace(result, max_acc_loss=0.06, evidence=evidence))
    assert "points" not in text
    assert "accuracy" not in text
    assert "asked: a relative output error of at most 6.0 %" in text


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (LayerReport("a", "conv", "dense"), "dense"),
        (LayerReport("a", "dense", "svd", (12,)), "svd 12"),
        (LayerReport("a", "conv", "tucker4", (3, 4, 5)), "tucker4 3×4×5"),
        (LayerReport("a", "conv", "none+filter"), "filter"),
        (LayerReport("a", "Conv2D", "left", reason="named by --exclude"), "left: named by --exclude"),
    ],
)
def test_what_a_layer_becomes(layer: LayerReport, text: str) -> None:
    assert becomes(layer) == text


def test_changes() -> None:
    assert change(1000, 400) == "1,000 → 400"
    assert change(1000, 1000) == "1,000"
    assert change(None, 400) == "400"
    assert change(1000, None) == ""


@pytest.mark.parametrize(("share", "text"), [(0.0125, "1.25"), (-0.005, "-0.50"), (-1e-9, "0.00"), (0.2, "20.00")])
def test_points(share: float, text: str) -> None:
    assert points(share) == text


def test_a_layer_of_few_bits_says_so(result: Result) -> None:
    layer = next(layer for layer in result.layers if layer.name == "logits")
    assert becomes(layer) == "dense"
    assert becomes(replace(layer, bits=4)) == "dense, 4 bits"
    assert becomes(replace(layer, bits=2.5)) == "dense, 2.5 bits"
