from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compiler.cli import main
from compiler.errors import BadInput, CheckFailed, Infeasible, UnsupportedModel
from compiler.options import Options
from compiler.result import Result

ROOT = Path(__file__).resolve().parent.parent


def save_archive(path: Path) -> None:
    """What looks like a network from outside: no pipeline of these tests opens it."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")


Pipeline = Callable[..., Result]
Install = Callable[[Pipeline], list[str]]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a pipeline of the test in place of the real one; gives the flags of a run."""
    save_archive(tmp_path / "net.keras")

    def install(pipeline: Pipeline) -> list[str]:
        module = types.ModuleType("compiler.pipeline")
        module.compress = pipeline  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "compiler.pipeline", module)
        return ["--input_path", str(tmp_path / "net.keras"), "--output_path", str(tmp_path / "net.tflite")]

    return install


def test_a_run_prints_its_report(install: Install, result: Result, capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[Options] = []

    def pipeline(options: Options, *, progress: Any) -> Result:
        seen.append(options)
        progress.stage("Working", total=2)
        print("chatter of a library")
        os.write(1, b"chatter of native code\n")
        os.write(2, b"chatter of native code\n")
        return result

    assert main([*install(pipeline), "--seed", "7"]) == 0
    out, err = capfd.readouterr()
    assert out.startswith("keeps 50 % (factor 0.5)")
    assert err == "Working\n"
    assert "chatter" not in out
    assert seen[0].seed == 7


def test_json_is_all_of_standard_output(install: Install, result: Result, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*install(lambda options, progress: result), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["schema_version"] == 2


def test_quiet_is_silent(install: Install, result: Result, capfd: pytest.CaptureFixture[str]) -> None:
    def pipeline(options: Options, *, progress: Any) -> Result:
        progress.stage("Working")
        return result

    assert main([*install(pipeline), "--quiet"]) == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadInput("no such file; name another."), 2),
        (UnsupportedModel("a subclassed model; make it functional."), 2),
        (Infeasible("0.31 is the least; ask for that."), 3),
        (CheckFailed("the file differs; report it."), 4),
    ],
)
def test_a_refusal_is_one_line_and_a_code(
    install: Install, error: Exception, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    def pipeline(options: Options, *, progress: Any) -> Result:
        os.write(2, b"chatter of native code\n")
        raise error

    assert main([*install(pipeline), "--quiet"]) == code
    assert capfd.readouterr() == ("", f"error: {error}\n")


def test_bad_flags_and_paths_are_refused_before_the_pipeline_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "compiler.pipeline", None)  # importing it would raise ImportError
    absent = ["--input_path", str(tmp_path / "absent.keras"), "--output_path", str(tmp_path / "net.tflite")]
    assert main(absent) == 2
    assert "absent.keras does not exist" in capfd.readouterr().err
    assert main([*absent, "--compression_factor", "2"]) == 2
    assert "it is the share kept" in capfd.readouterr().err


def test_a_defect_shows_the_chatter_that_may_explain_it(install: Install, capfd: pytest.CaptureFixture[str]) -> None:
    def pipeline(options: Options, *, progress: Any) -> Result:
        os.write(2, b"the converter's own words\n")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        main(install(pipeline))
    assert "the converter's own words" in capfd.readouterr().err
    os.write(2, b"and stderr is back\n")
    assert "and stderr is back" in capfd.readouterr().err


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_so(tmp_path: Path, stop: signal.Signals) -> None:
    save_archive(tmp_path / "net.keras")
    (tmp_path / "net.tflite").write_text("the old file")
    code = (
        "import signal, sys, time, types\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job inherits it ignored
        "from compiler.cli import main\n"
        "module = types.ModuleType('compiler.pipeline')\n"
        "def compress(options, progress):\n"
        "    progress.stage('Working')\n"
        "    time.sleep(30)\n"
        "module.compress = compress\n"
        "sys.modules['compiler.pipeline'] = module\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    flags = ["--input_path", str(tmp_path / "net.keras"), "--output_path", str(tmp_path / "net.tflite")]
    with subprocess.Popen([sys.executable, "-c", code, *flags], cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "Working\n"
        time.sleep(0.05)
        process.send_signal(stop)
        said = process.stderr.read()
    assert process.returncode == 130
    assert said == "interrupted: nothing was written; start the same command again.\n"
    assert (tmp_path / "net.tflite").read_text() == "the old file"


def test_a_poor_terminal_does_not_cost_the_result(tmp_path: Path) -> None:
    """Its encoding has no → and no ×; --help has both kinds of trouble in small."""
    done = subprocess.run(
        [sys.executable, "scripts/compress.py", "--help"],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "--block_size A,B,?" in done.stdout


def test_the_script_is_its_main() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/compress.py", "--input_path", "absent.keras", "--output_path", "a.tflite"],
        cwd="/",
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --input_path absent.keras does not exist")


def test_an_interrupt_of_the_last_lines_says_that_the_files_are_there(
    install: Install, result: Result, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("compiler.cli.show", stop)
    assert main(install(lambda options, progress: result)) == 130
    assert capfd.readouterr().err == "interrupted: every file had been written.\n"


def test_nothing_is_left_to_interrupt_behind_the_end() -> None:
    script = (
        "import atexit, os, signal\n"
        "from compiler.cli import leave\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "leave(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
