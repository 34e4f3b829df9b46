"""The figures of docs/kernels.md are those of benchmarks/results/kernels.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import kernels_tables

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "kernels.json"


def test_the_page_shows_what_was_measured() -> None:
    assert not kernels_tables.write_tables(json.loads(RESULTS.read_text()), check=True), (
        "run benchmarks/kernels.py --tables"
    )


def test_a_stale_page_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    page = tmp_path / "kernels.md"
    page.write_text("before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n")
    monkeypatch.setattr(kernels_tables, "DOCUMENT", page)
    result = json.loads(RESULTS.read_text())
    assert kernels_tables.write_tables(result, check=True)
    assert "out of date: kernels.md" in capsys.readouterr().out
    assert "old" in page.read_text()
    assert kernels_tables.write_tables(result)
    assert not kernels_tables.write_tables(result, check=True)
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("after\n")
