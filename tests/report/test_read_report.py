from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from compiler.errors import BadInput
from compiler.report.read_report import read_report
from compiler.report.report_json import report_json
from compiler.result import Result
from tests.report.detailed import detailed


def test_a_report_is_read_back_whole(result: Result, tmp_path: Path) -> None:
    for one in (result, detailed(result), replace(result, asked_factor=None, max_acc_loss=0.01)):
        (tmp_path / "r.json").write_text(report_json(one), encoding="utf-8")
        assert read_report(tmp_path / "r.json") == one


def test_what_is_no_report_is_refused(result: Result, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    with pytest.raises(BadInput, match="is no report"):
        read_report(path)
    content = json.loads(report_json(result))
    for text, sentence in (
        ("{", "is no report"),
        ("[]", "is no report"),
        (json.dumps(content | {"schema_version": 99}), "has schema 99, this version reads 1"),
        (json.dumps({k: v for k, v in content.items() if k != "layers"}), "lacks what this version shows"),
    ):
        path.write_text(text)
        with pytest.raises(BadInput, match=sentence):
            read_report(path)
