"""The runner: which rows there are, and that those that are there are not measured again."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import compare


def test_a_method_has_no_row_for_data_that_it_is_not_given() -> None:
    suite = compare.Suite(("digits",), ("ours", "magnitude pruning"), (0.5,), ("nothing", "synthetic"))
    names = [row.name for row in compare.rows_of(suite, "digits")]
    assert names == ["ours 0.50 synthetic", "magnitude pruning 0.50 nothing", "magnitude pruning 0.50 synthetic"]
    names = [row.name for row in compare.rows_of(replace(suite, one=True), "digits")]
    assert names == ["ours 0.50 synthetic", "magnitude pruning 0.50 nothing"]


def test_rows_are_stored_as_they_come_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def process(row: compare.Row, jobs: int, *flags: str) -> dict[str, Any]:
        asked.append((row.name, *flags))
        if "--inputs_only" in flags and row.data != "real":
            return {}
        return {"error": f"no {row.data}", "infeasible": True}

    monkeypatch.setattr(compare, "RESULTS", tmp_path)
    monkeypatch.setattr(compare, "process", process)
    flags = ["--suite=quick", "--method=magnitude pruning", "--budgets=0.5"]
    for extra in ([], ["--data=nothing"], [], ["--data=real"]):
        monkeypatch.setattr(sys, "argv", ["compare.py", *flags, *extra])
        assert compare.main() == 0
    assert asked == [
        ("magnitude pruning 0.50 synthetic", "--inputs_only"),
        ("magnitude pruning 0.50 synthetic",),
        ("magnitude pruning 0.50 nothing", "--inputs_only"),
        ("magnitude pruning 0.50 nothing",),
        ("magnitude pruning 0.50 real", "--inputs_only"),  # there are none, so no row is tried
    ]
    content = json.loads((tmp_path / "compare-digits.json").read_text())
    known = {f"magnitude pruning 0.50 {data}": f"no {data}" for data in ("synthetic", "nothing", "real")}
    assert {name: row["error"] for name, row in content["rows"].items()} == known
    assert content["versions"]["tensorflow"]


def test_a_row_that_dies_says_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    row = compare.Row("no such network", "magnitude pruning", 0.5, "nothing")
    assert compare.process(row, 1) == {"error": "KeyError: 'no such network'", "infeasible": False}
