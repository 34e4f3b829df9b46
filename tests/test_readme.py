"""Every command of README.md runs, in order, in a fresh folder that borrows the repository's folders.

.ci/run runs them all, `make …` as steps of its own and the rest here with README=all; `make test` runs the quick ones.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALL = os.environ.get("README") == "all"


def _commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def test_make_commands_are_run_by_ci() -> None:
    ci = (ROOT / ".ci/run").read_text().splitlines()
    made = [c for c in _commands() if c.startswith("make ")]
    assert made
    for command in made:
        assert f"step {command}" in ci, f"README.md says '{command}', which .ci/run never runs"


def _quick(command: str) -> bool:
    """Neither compresses nor trains nor needs what a slow one makes."""
    return "--help" in command or not re.search(r"compress\.py|train\.py|-m compiler|--input_path out/", command)


def test_commands_run(tmp_path: Path) -> None:
    for folder in ("models", "scripts", "compiler", "kernels"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    commands = [c for c in _commands() if not c.startswith("make ") and (ALL or _quick(c))]
    assert len(commands) >= 3
    for command in commands:
        words = shlex.split(command)
        if words[0] == "python":
            words[0] = sys.executable
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"README.md's command fails: {command}\n{done.stdout}{done.stderr}"
    if ALL:
        assert (tmp_path / "out/half.tflite").read_bytes() == (tmp_path / "out/again.tflite").read_bytes()


def test_files_that_it_names_exist() -> None:
    named = re.compile(r"`((?:compiler|tests|models|scripts|\.ci)/[\w./]*)`")
    for text in ("README.md", "CONTRIBUTING.md"):
        for name in named.findall((ROOT / text).read_text()):
            assert (ROOT / name).exists(), f"{text} names {name}, which is not there"
