"""Every command and every snippet of docs/, in order, in a fresh folder that borrows `models` and `scripts`.

.ci/run runs them all with README=all; `make test` reads the flags of every command and compiles every snippet.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from compiler.flags import parse
from compiler.verbs import VERBS

ROOT = Path(__file__).resolve().parent.parent
ALL = os.environ.get("README") == "all"
PAGES = sorted((ROOT / "docs").glob("*.md"))
NOTEBOOK = ROOT / "docs" / "walkthrough.ipynb"


def blocks(path: Path) -> list[tuple[str, str]]:
    """(language, text) of every block that says one, in order."""
    return re.findall(r"^```(sh|python)\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)


def commands(path: Path) -> list[list[str]]:
    return [shlex.split(line) for kind, text in blocks(path) if kind == "sh" for line in text.splitlines() if line]


def cells(path: Path) -> list[dict[str, Any]]:
    return [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_flags_of_commands_exist(path: Path) -> None:
    for program, *words in commands(path):
        assert program == "python", f"{path.name} has a command that is not Python's: {program}"
        match words:
            case ["scripts/compress.py", *flags] | ["-m", "compiler", "compress", *flags]:
                parse(flags)
            case ["-m", "compiler", "inspect", *flags]:
                parse(flags, writes=False)
            case ["-m", "compiler", verb, *_]:
                assert verb in VERBS
            case _:
                assert (ROOT / words[0]).exists(), f"{path.name} runs {words[0]}, which is not there"


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_snippets_are_python_and_links_lead_somewhere(path: Path) -> None:
    for kind, text in blocks(path):
        if kind == "python":
            compile(text, path.name, "exec")
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", path.read_text()):
        assert (path.parent / link).exists(), f"{path.name} links {link}, which is not there"


def test_the_notebook_is_python_without_outputs() -> None:
    assert len(cells(NOTEBOOK)) >= 5
    for cell in cells(NOTEBOOK):
        compile("".join(cell["source"]), NOTEBOOK.name, "exec")
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


@pytest.mark.skipif(not ALL, reason="compresses several times; .ci/run sets README=all")
@pytest.mark.parametrize("path", [*PAGES, NOTEBOOK], ids=lambda p: p.name)
def test_all_of_it_runs(path: Path, tmp_path: Path) -> None:
    for folder in ("models", "scripts", "compiler", "kernels"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    (tmp_path / "out").mkdir()
    if path is NOTEBOOK:
        script = ["\n".join("".join(cell["source"]) for cell in cells(path))]
        todo: list[list[str]] = []
    else:
        script = [text for kind, text in blocks(path) if kind == "python"]
        todo = commands(path)
    for words in todo:
        run([sys.executable, *words[1:]], tmp_path, f"{path.name}: {shlex.join(words)}")
    if script and path.name not in ("kernels.md", "targets.md"):  # theirs are excerpts of the source
        (tmp_path / "snippets.py").write_text("\n".join(script))
        run([sys.executable, "snippets.py"], tmp_path, f"the snippets of {path.name}")


def run(words: list[str], folder: Path, what: str) -> None:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{what} fails\n{done.stdout}{done.stderr}"
