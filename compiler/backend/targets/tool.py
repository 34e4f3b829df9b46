"""Running a target's command line tool: its failure becomes one sentence."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from compiler.errors import BadInput, CheckFailed

TIMEOUT_S = 600


def script(name: str) -> str:
    """Path of a program that a Python package put beside this interpreter. Raises BadInput if it is not there."""
    path = Path(sysconfig.get_path("scripts")) / name
    if not path.is_file():
        raise BadInput(missing(name, {"xcore-opt": "xmos-ai-tools"}.get(name, name)))
    return str(path)


def require(module: str, package: str) -> None:
    """Raise BadInput with the way out unless `module` can be imported."""
    if importlib.util.find_spec(module) is None:
        raise BadInput(missing(module, package))


def missing(name: str, package: str) -> str:
    """The sentence for a tool that is not installed."""
    if package == "xmos-ai-tools":
        return (
            f"{name} of xmos-ai-tools is not installed: it needs numpy below 2, which Python 3.13 has no wheel for; "
            "make the environment with Python 3.11 or 3.12 (make PYTHON=python3.12)"
        )
    return f"{name} of {package} is not installed: pip install -r requirements.txt"


def run_tool(command: Sequence[str], name: str, cwd: Path) -> str:
    """Standard output and error of a command, in this order. Raises CheckFailed in one sentence if it fails."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise CheckFailed(f"{name} did not end within {TIMEOUT_S} s on this file") from None
    if done.returncode != 0:
        raise CheckFailed(f"{name} rejects the file: {cause(done.stderr + chr(10) + done.stdout, done.returncode)}")
    return done.stdout + "\n" + done.stderr


def cause(output: str, status: int) -> str:
    """The line of a tool's output that says what went wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for line in lines:
        if "error" in line.lower() and not re.match(r"raise |\w+:?$", line):  # nor a traceback's code or bare class
            return line
    if status < 0:
        return f"it crashed on it (signal {-status})"
    return lines[-1] if lines else f"exit status {status}"
