from __future__ import annotations

import sys
from pathlib import Path

import pytest

from compiler.backend.targets import tool
from compiler.backend.targets.tool import require, run_tool, script
from compiler.errors import BadInput, CheckFailed


def python(code: str, folder: Path) -> str:
    return run_tool([sys.executable, "-c", code], "the tool", folder)


def test_returns_what_a_tool_prints(tmp_path: Path) -> None:
    printed = python("import sys; print('out'); print('err', file=sys.stderr)", tmp_path)
    assert printed.split() == ["out", "err"]


def test_a_failure_is_the_line_with_the_error(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match=r"^the tool rejects the file: an Error: too wide$"):
        python("print('hello'); print('an Error: too wide'); print('bye'); raise SystemExit(3)", tmp_path)
    with pytest.raises(CheckFailed, match=r"^the tool rejects the file: exit status 3$"):
        python("raise SystemExit(3)", tmp_path)


def test_a_traceback_is_its_last_word(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match=r"^the tool rejects the file: KeyError: 'x'$"):
        python("{}['x']", tmp_path)
    with pytest.raises(CheckFailed, match=r"^the tool rejects the file: Node 0 failed$"):
        python("raise RuntimeError('\\n\\nNode 0 failed')", tmp_path)


def test_a_crash_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match=r"it crashed on it \(signal 11\)"):
        python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", tmp_path)


def test_a_tool_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool, "TIMEOUT_S", 0.2)
    with pytest.raises(CheckFailed, match=r"did not end within 0\.2 s"):
        python("import time; time.sleep(30)", tmp_path)


def test_a_missing_tool_says_how_to_get_it() -> None:
    with pytest.raises(BadInput, match=r"nonesuch of some-package is not installed: pip install"):
        require("nonesuch", "some-package")
    with pytest.raises(BadInput, match="nonesuch-opt"):
        script("nonesuch-opt")
