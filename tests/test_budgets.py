"""Every budget in every unit is kept by the emitted file, and used: on the carried network, which is studied once."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from compiler.backend.stored_bytes import macs, stored_bytes
from compiler.options import BUDGETS, Options
from compiler.pipeline import analyse, finish, priced
from compiler.run.cached_menus import Menus
from compiler.run.session import Session

NETWORK = Path(__file__).resolve().parents[1] / "models" / "digits.keras"
USED = 0.98  # of the budget, at least


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, Menus]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        session = analyse(Options(input_path=NETWORK, output_path=Path("unwritten.tflite"), jobs=2), NETWORK)
        return session, priced(session)


def sizes(tflite: bytes) -> dict[str, int]:
    """What each budget counts."""
    return {"params": stored_bytes(tflite).weight_bytes, "bytes": len(tflite), "macs": macs(tflite)}


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("factor", [0.3, 0.7])
def test_the_file_keeps_its_budget_and_uses_it(studied: tuple[Session, Menus], factor: float, budget: str) -> None:
    session, menus = studied
    asked = replace(session, options=replace(session.options, budget=budget, compression_factor=factor))
    done = finish(asked, offered=menus, began=time.monotonic())
    kept = sizes(done.tflite)[budget] / sizes(session.original.tflite)[budget]
    assert USED * factor <= kept <= factor
    assert done.result.kept == pytest.approx(kept)
