from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.report.headline import headline, percent
from compiler.result import Result


def test_fixed_params_says_what_was_asked_and_reached(result: Result) -> None:
    assert headline(result) == "keeps 50 % (factor 0.5): 2,970 of 6,000 stored weight bytes, 49.5 %"


def test_fixed_loss_says_what_was_reached(result: Result) -> None:
    found = replace(result, asked_factor=None, budget="macs", max_acc_loss=0.02)
    assert headline(found) == "keeps 50 % (factor 0.5): 150,000 of 300,000 multiply-accumulates, 50.0 %"
    found = replace(found, budget="bytes")
    assert headline(found) == "keeps 61.1 % (factor 0.611): 5,500 of 9,000 bytes of the file, 61.1 %"


@pytest.mark.parametrize(("share", "text"), [(0.5, "50 %"), (1, "100 %"), (0.125, "12.5 %"), (0.33333, "33.3 %")])
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text
