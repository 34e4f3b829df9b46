"""The tables of the comparison in README and docs are those of benchmarks/results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import compare_tables

GOOD: dict[str, Any] = {
    "kept": 0.5, "file_bytes": 1234, "arena_bytes": 99, "latency_ratio": 0.9, "seconds": 3.0, "classes": 10,
    "peak_memory_bytes": 2**30, "loss": 0.012, "interval": [0.001, 0.023], "original": 0.9, "notes": ["a | b"],
}  # fmt: skip


def test_the_pages_show_what_was_measured() -> None:
    assert compare_tables.write(check=True) == 0, "run benchmarks/compare_tables.py"


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results of two methods on one network, and a page that shows none of it yet."""
    rows = {
        "ours 0.50 synthetic": GOOD,
        "magnitude pruning 0.50 synthetic": {"error": "no way", "infeasible": True},
    }
    (tmp_path / "compare-digits.json").write_text(json.dumps({"rows": rows}))
    page = tmp_path / "page.md"
    page.write_text("".join(f"<!-- compare: {name} -->\nold\n<!-- end -->\n" for name in compare_tables.TABLES))
    monkeypatch.setattr(compare_tables, "RESULTS", tmp_path)
    monkeypatch.setattr(compare_tables, "PAGES", (page,))
    monkeypatch.setattr(compare_tables, "PLOT", tmp_path / "plot.svg")
    return page


def test_a_stale_page_is_told_and_rewritten(measured: Path, capsys: pytest.CaptureFixture) -> None:
    assert compare_tables.write(check=True) == 1
    assert "out of date: page.md" in capsys.readouterr().out
    assert "old" in measured.read_text()
    assert compare_tables.write(check=False) == 0
    assert compare_tables.write(check=True) == 0
    assert (measured.parent / "plot.svg").stat().st_size > 1000


def test_rows_that_lose_and_rows_that_fail_stay_in(measured: Path) -> None:
    compare_tables.write(check=False)
    page = measured.read_text()
    assert "| ours | synthetic | 1.2 (0.1 to 2.3) |" in page
    assert "| magnitude pruning | synthetic | out of reach |" in page
    assert "| magnitude pruning | no way | digits 0.50 synthetic |" in page
    assert "a \\| b" in page
    assert "| magnitude pruning | 80.0 |" in page  # the area: all that guessing does not give back


def test_without_results_the_pages_say_so(measured: Path) -> None:
    (measured.parent / "compare-digits.json").unlink()
    compare_tables.write(check=False)
    assert measured.read_text().count("Nothing has been measured yet.") == len(compare_tables.TABLES) - 1
