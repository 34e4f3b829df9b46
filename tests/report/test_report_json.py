from __future__ import annotations

import json
import math
from dataclasses import fields, replace

from compiler.report.report_json import report_json
from compiler.result import Result, StoredFigures
from tests.report.detailed import detailed


def test_the_report_has_what_was_promised(result: Result) -> None:
    report = json.loads(report_json(result))
    assert report["schema_version"] == 2
    for network in ("original", "compressed"):
        assert set(report[network]) == {"params", "stored_weight_bytes", "file_bytes", "macs"}
    layer, dense, left = report["layers"]
    assert (layer["name"], layer["choice"], layer["ranks"]) == ("conv1", "tucker2+block", [8, 9])
    assert (layer["structure"], layer["density"]) == ("block", 6 / 288)
    assert (layer["bytes_before"], layer["bytes_after"], layer["predicted_loss"]) == (4736, 1800, 0.0123)
    assert (layer["macs_before"], layer["macs_after"]) == (294912, 147456)
    assert (dense["choice"], dense["density"], dense["reason"]) == ("dense", None, None)
    assert (left["choice"], left["reason"]) == ("left", "each filter sees one channel")
    assert (report["evidence"]["tier"], report["evidence"]["interval"]) == ("measured", [-0.005, 0.03])
    provenance = report["provenance"]
    assert provenance["versions"] == {"tensorflow": "2.21.0", "keras": "3.15.1"}
    assert provenance["gates"] == {"refit": True, "correct_bias": False}
    assert (provenance["seed"], provenance["model_hash"]) == (7, "abcdef0123456789")
    assert provenance["calibration_source"] == "256 synthetic inputs"
    assert report["verification"]["operators"] == {"CONV_2D": 4, "ADD": 1}
    assert report["headline"].startswith("keeps 50 % (factor 0.5)")
    assert report["kept"] == 0.495


def test_every_field_is_reported(result: Result) -> None:
    report = json.loads(report_json(result))
    assert set(report) == {f.name for f in fields(Result)} | {"headline", "kept"}
    assert set(report["original"]) == {f.name for f in fields(StoredFigures)}


def test_a_ratio_of_times_is_reported_with_its_spread(result: Result) -> None:
    figures = json.loads(report_json(detailed(result)))["on_target"]["compressed"]["figures"]
    assert figures["time_ratio"] == {"median": 0.75, "low": 0.7, "high": 1.3, "rounds": 21}


def test_what_json_has_no_word_for_is_null(result: Result) -> None:
    odd = replace(result, evidence=replace(result.evidence, loss=math.inf, interval=(-math.inf, math.nan)))
    evidence = json.loads(report_json(odd))["evidence"]
    assert (evidence["loss"], evidence["interval"]) == (None, [None, None])
