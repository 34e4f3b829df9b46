"""The page over a sweep: a front for each network and target, every row with its page or its reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from compiler.details import SweepRow
from compiler.report.sweep_page import sweep_page
from tests.report.chromium import Chromium


def row(network: str, target: str, kind: str, factor: float, **known: object) -> SweepRow:
    name = f"{network}-{kind}-p{100 * factor:g}-w8a8-{target}-0123abcd"
    done = {
        "kept": factor - 0.01, "loss": 0.1 * (1 - factor), "metric": "accuracy", "tier": "measured",
        "file_bytes": 90_000, "macs": 40_000_000, "seconds": 61.4,
    }  # fmt: skip
    return SweepRow(name, network, target, kind, "auto", factor, "params", **(known or done))  # type: ignore[arg-type]


ROWS = [
    *(row("digits", target, kind, f) for target in ("mobile", "xcore") for kind in ("hybrid", "tucker")
      for f in (0.7, 0.4)),
    row("resnet20", "mobile", "hybrid", 0.4),
    row("resnet20", "xcore", "hybrid", 0.01, refused="<0.01> can't be met; ask for 0.1 or more."),
]  # fmt: skip


def test_fronts_and_rows() -> None:
    text = sweep_page(ROWS)
    assert text.count("<svg") == 3  # the fourth network and target has a reason only
    assert "9 of 10 rows have a file" in text
    assert 'href="digits-hybrid-p70-w8a8-mobile-0123abcd.report.html"' in text
    assert "&lt;0.01&gt; can&#39;t be met" in text
    assert "hybrid, auto" in text
    assert "accuracy lost, % (measured)" in text


def test_what_is_no_file_is_called_none() -> None:
    text = sweep_page([replace(row("digits", "c", "hybrid", 0.4), counted="constants in flash", budget="bytes")])
    assert "bytes of constants in flash kept" in text
    assert '90,000 <span class="muted">constants in flash</span>' in text


@pytest.mark.parametrize("width", [1280, 400])
def test_a_browser_draws_it(tmp_path: Path, browser: Chromium, width: int) -> None:
    (tmp_path / "index.html").write_text(sweep_page(ROWS), encoding="utf-8")
    browser.open(tmp_path / "index.html", width=width, scheme="dark")
    assert browser.messages == []
    assert browser.run("document.documentElement.scrollWidth") <= width
    tops = browser.run("[...document.querySelectorAll('.plot svg')].map(one => one.getBoundingClientRect().top)")
    assert (len(set(tops)) == 1) == (width == 1280)  # side by side where there is room
    assert browser.run("document.querySelectorAll('tbody tr').length") == 10
