from __future__ import annotations

import json
import math
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compiler.errors import BadInput
from compiler.report.page import page
from compiler.report.read_report import read_report
from compiler.report.report_json import report_json
from compiler.result import Result
from tests.report.detailed import detailed


def test_a_report_is_read_back_whole(result: Result, tmp_path: Path) -> None:
    for one in (result, detailed(result), replace(result, asked_factor=None, max_acc_loss=0.01)):
        (tmp_path / "r.json").write_text(report_json(one), encoding="utf-8")
        assert read_report(tmp_path / "r.json") == one


def spoilt(content: dict[str, Any], path: str, value: object) -> str:
    """The report with another value at "a.b.0"."""
    *way, last = path.split(".")
    copy = place = deepcopy(content)
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[int(last) if isinstance(place, list) else last] = value
    return json.dumps(copy)


def test_what_is_no_report_is_refused(result: Result, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    with pytest.raises(BadInput, match=r"does not exist; give the \.report\.json of a run"):
        read_report(path)
    content = json.loads(report_json(detailed(result)))
    for text, sentence in (
        ("{", "or one that was cut off"),
        (report_json(result)[:-50], "or one that was cut off"),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}", "or one that was cut off"),
        ("[" * 100_000, "or one that was cut off"),
        ("[]", "is no report of this compiler; give"),
        ('{"schema_version": 2, "choices": []}', "is no report of this compiler; give"),  # a plan
        (json.dumps(content | {"schema_version": 99}), "has schema 99, this version reads 2"),
        (json.dumps({k: v for k, v in content.items() if k != "layers"}), "lacks what this version shows"),
        (spoilt(content, "layers", "conv1"), r"\('conv1' is no list\)"),
        (spoilt(content, "layers.0", 3), r"\(3 is no LayerReport\)"),
        (spoilt(content, "original.file_bytes", "many"), r"\('many' is no int\)"),
        (spoilt(content, "original", None), r"\(None is no StoredFigures\)"),
        (spoilt(content, "evidence.interval", [0.1]), "lacks what this version shows"),
        (spoilt(content, "evidence.loss", float("inf")), r"\(inf is no float\)"),
        (spoilt(content, "evidence.tier", "certain"), r"\(tier is 'certain'\)"),
        (spoilt(content, "budget", "grams"), r"\(budget is 'grams'\)"),
        (spoilt(content, "details.graph.1.inputs", [4]), r"\('dw' reads what comes after it\)"),
    ):
        path.write_text(text, encoding="latin-1")
        with pytest.raises(BadInput, match=sentence) as refused:
            read_report(path)
        assert "\n" not in str(refused.value)


def test_a_number_that_json_has_no_word_for_is_drawn(result: Result, tmp_path: Path) -> None:
    endless = replace(result, evidence=replace(result.evidence, loss=math.inf))
    (tmp_path / "r.json").write_text(report_json(endless), encoding="utf-8")
    assert math.isnan(read_report(tmp_path / "r.json").evidence.loss)
    assert "loss nan" in page(read_report(tmp_path / "r.json"))
