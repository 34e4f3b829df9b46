from __future__ import annotations

from pathlib import Path

import pytest

from compiler.backend.targets import TARGETS, document
from compiler.backend.targets.target import sentence


def test_the_page_is_what_the_targets_say_now() -> None:
    assert document.main(["--check"]) == 0, "run python -m compiler.backend.targets.document"


def test_a_stale_page_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(document, "PAGE", tmp_path / "docs" / "targets.md")
    assert document.main(["--check"]) == 1
    assert "targets.md is out of date" in capsys.readouterr().err
    assert document.main([]) == 0
    assert document.main(["--check"]) == 0


def test_every_constraint_and_target_is_on_the_page() -> None:
    page = document.document()
    for name, target in TARGETS.items():
        assert f"## `{name}`" in page
        assert all(sentence(constraint) in page for constraint in target.constraints)
