"""The page says what the result says, in one file, and a browser draws it."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path

import pytest

from compiler.details import Details
from compiler.report.page import cards, page
from compiler.report.read_report import read_report
from compiler.report.report_json import report_json
from compiler.result import Result, TimeRatio
from tests.report.chromium import Chromium
from tests.report.detailed import detailed

OPEN = "document.querySelectorAll('details').forEach(one => one.open = true)"


def said(text: str) -> str:
    """What a reader sees, tags and white space folded."""
    return " ".join(
        html.unescape(re.sub(r"<style>.*?</style>|<script>.*?</script>|<[^>]*>", " ", text, flags=re.S)).split()
    )


def test_it_says_what_the_result_says(result: Result) -> None:
    text = said(page(detailed(result)))
    for words in (
        "keeps 50 % (factor 0.5): 2,970 of 6,000",
        "File 61.1 % 9,000 → 5,500 B",
        "RAM 120 % 20,000 → 24,000 B arena, xcore-opt 1.4.2",
        "Time 75 % 2 → 1.5 ms measured, xcore-opt 1.4.2; 0.70 to 1.30 times, round by round",
        "measured accuracy, measured on 240 examples",
        "95 % interval -0.50 to 3.00",
        "The network has no BatchNorm",
        "conv1 tucker2 8×9 + block 4,736 → 1,800",
        "first 1×1, 16→8 160 B core 3×3, 8→9 684 B last 1×1, 9→32 416 B sparse 3×3, 16→32 540 B",
        "ranks 8×9",
        "int8 SNR 38.2 dB",
        "Tucker2 4×9 would save 200 B",
        "Left alone: each filter sees one channel.",
        "3 → 7 label 3",
        "refit kept",
    ):
        assert words in text
    assert page(detailed(result)).count("<svg") == 2 + 6  # the front, conv1's spectrum; a rail for each operation


def test_components_cut_no_spectrum(result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks of a Tucker chain are dots on the two spectra; a number of components is none on either."""
    cuts: list[tuple[int | None, ...]] = []
    monkeypatch.setattr("compiler.report.page.spectrum_plot", lambda into, out, *cut: cuts.append(cut) or "")
    page(detailed(result))
    layers = [replace(la, choice="cp", ranks=(9,)) if la.name == "conv1" else la for la in result.layers]
    page(detailed(replace(result, layers=tuple(layers))))
    assert cuts == [(8, 9), (None, None)]


def test_a_time_that_the_rounds_dispute_is_not_called_worse(result: Result) -> None:
    assert result.on_target is not None
    run = result.on_target.compressed
    for low, worse in ((0.9, False), (1.1, True)):
        figures = replace(run.figures, time=0.161, time_ratio=TimeRatio(1.2, low, 1.3, 21))
        read = replace(result, on_target=replace(result.on_target, compressed=replace(run, figures=figures)))
        assert cards(read)[-1].is_worse == worse


def test_what_is_no_file_is_called_none(result: Result) -> None:
    on_c = replace(detailed(result), target="c", counted="constants in flash", budget="bytes")
    assert "Constants in flash 61.1 % 9,000 → 5,500 B" in said(page(on_c))
    assert "bytes of constants in flash" in said(page(on_c))


@pytest.mark.parametrize(("tier", "known"), [("estimated", "estimated"), ("bounded", "measured")])
def test_what_the_search_saw_is_called_what_it_is(result: Result, tier: str, known: str) -> None:
    shown = detailed(result)
    plot = page(replace(shown, evidence=replace(shown.evidence, tier=tier)))
    assert f"{known} loss, %" in plot
    assert f"{known} by the search" in plot


def test_settings_are_said_in_words(result: Result) -> None:
    settings = (("exclude", "None"), ("block_size", "(4, 4)"), ("io", "int8"))
    text = said(page(replace(result, provenance=replace(result.provenance, settings=settings))))
    assert "exclude not given block_size 4,4 io int8" in text
    assert "None" not in text


def test_it_needs_nothing_else(result: Result) -> None:
    text = page(detailed(result))
    assert not re.search(r"""(src|href)=["'](?!data:|#)|url\((?!#)|@import|https?://(?!www\.w3\.org/)""", text)


def test_what_is_not_known_is_not_shown(result: Result) -> None:
    estimated = replace(result.evidence, tier="estimated")
    for bare in (
        replace(result, on_target=None),
        replace(result, on_target=None, details=Details(), evidence=estimated),
    ):
        text = said(page(bare))
        assert "What each budget costs" not in text
        assert " RAM " not in text
        assert "before and after" not in text


def test_a_name_can_not_break_out(result: Result) -> None:
    hostile = replace(result, layers=(replace(result.layers[0], name="<script>alert(1)</script>"),))
    assert "<script>alert" not in page(hostile)


def test_the_page_of_a_json_is_the_same(result: Result, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(report_json(detailed(result)), encoding="utf-8")
    assert page(read_report(tmp_path / "r.json")) == page(detailed(result))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_a_browser_draws_it(result: Result, tmp_path: Path, browser: Chromium, width: int, scheme: str) -> None:
    path = tmp_path / "report.html"
    path.write_text(page(detailed(result)), encoding="utf-8")
    browser.open(path, width=width, scheme=scheme)
    for everything_open in (False, True):
        if everything_open:
            browser.run(OPEN)
        assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.messages == []
    assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []
    plots = browser.run("[...document.querySelectorAll('.plot svg')].map(one => one.getBoundingClientRect().height)")
    assert len(plots) == 2
    assert min(plots) > 100
    assert browser.run("[...document.images].every(one => one.naturalWidth === 16)")
    paper, ink = (
        browser.run(f"getComputedStyle(document.body).{name}.match(/\\d+/g).slice(0, 3).map(Number)")
        for name in ("backgroundColor", "color")
    )
    assert (sum(paper) > sum(ink)) == (scheme == "light")
    colours = browser.run("[...document.querySelectorAll('.plot text')].map(one => getComputedStyle(one).fill)")
    assert not set(colours) & {"rgb(1, 1, 1)", "rgb(2, 2, 2)"}  # the stand-ins
    assert len(browser.screenshot()) > 10_000


def test_its_buttons_open_every_layer(result: Result, tmp_path: Path, browser: Chromium) -> None:
    path = tmp_path / "report.html"
    path.write_text(page(detailed(result)), encoding="utf-8")
    browser.open(path, width=1280, scheme="light")
    count = "document.querySelectorAll('#layers details[open]').length"
    assert browser.run(count) == 0
    browser.run("document.querySelector('#layers button').click()")
    assert browser.run(count) == 3
    browser.run("document.querySelector('#layers button').click()")
    assert browser.run(count) == 0
