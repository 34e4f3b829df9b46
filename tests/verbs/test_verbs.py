"""`python -m compiler`: every verb on the network of `tests/tiny.py`, what it prints, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from compiler.verbs import VERBS, main
from tests.tiny import save_tiny

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ["--jobs", "2", "--seed", "3", "--pruning_structure", "unstructured"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network, and `half`, a run on it."""
    folder = tmp_path_factory.mktemp("verbs")
    save_tiny(folder)
    paths = ["--input_path", str(folder / "net.keras"), "--output_path", str(folder / "half.tflite")]
    assert main(["compress", *paths, *FLAGS, "--quiet"]) == 0
    return folder


def test_help_is_quick_and_names_every_verb() -> None:
    code = (
        "import sys; from compiler.verbs import main; main(['--help'])\n"
        "for verb in ('inspect', 'compress', 'report', 'verify', 'sweep'):\n"
        "    try: main([verb, '--help'])\n"
        "    except SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'scipy', 'rich', 'matplotlib', 'jinja2', 'joblib'}\n"
        "print('loaded', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded []"
    assert all(f"\n  {verb}" in done.stdout for verb in VERBS)
    assert all(f"usage: python -m compiler {verb} " in done.stdout for verb in VERBS)
    as_module = subprocess.run(
        [sys.executable, "-m", "compiler", "bless"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (as_module.returncode, as_module.stdout) == (2, "")
    assert as_module.stderr.startswith("error: there is no verb 'bless'; use one of inspect, compress")


def test_inspect_tells_and_writes_nothing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = {p: p.stat().st_mtime_ns for p in folder.iterdir()}
    flags = ["--input_path", str(folder / "net.keras"), *FLAGS, "--exclude", "conv0"]
    assert main(["inspect", *flags]) == 0
    out, err = capfd.readouterr()
    assert "left alone: --exclude conv0 names it" in out
    assert "3×3 12→16" in out
    assert "stored weight bytes kept" in out
    assert "\x1b[" not in out + err  # no colours where there is no terminal
    assert main(["inspect", *flags, "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert [layer["compressible"] for layer in found["layers"]] == [True, True, False]
    losses = [point["predicted_loss"] for point in found["front"]]
    assert losses == sorted(losses, reverse=True)
    assert main(["inspect", *flags, "--quiet"]) == 0
    assert capfd.readouterr() == ("", "")
    assert before == {p: p.stat().st_mtime_ns for p in folder.iterdir()}


def test_a_run_leaves_its_page_and_the_verb_draws_it_again(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(folder / "half.report.json"), "--output_path", str(folder / "again.html")]) == 0
    assert capfd.readouterr().out == f"{folder / 'again.html'}\n"
    assert (folder / "again.html").read_text() == (folder / "half.report.html").read_text()
    (folder / "odd.json").write_text("[]")
    assert main(["report", str(folder / "odd.json")]) == 2
    assert "is no report" in capfd.readouterr().err
    assert not (folder / "odd.html").exists()
    report = folder / "half.report.json"
    before = report.read_bytes()
    assert main(["report", str(report), "--output_path", str(report)]) == 2
    assert "is the report itself; name another" in capfd.readouterr().err
    assert report.read_bytes() == before


def test_no_html_leaves_it_out(folder: Path) -> None:
    paths = ["--input_path", str(folder / "net.keras"), "--output_path", str(folder / "plain.tflite")]
    assert main(["compress", *paths, *FLAGS, "--quiet", "--no_html"]) == 0
    assert (folder / "plain.report.json").exists()
    assert not (folder / "plain.report.html").exists()


def test_verify_checks_everything_again(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(folder / "half.tflite"), "--json"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert len(said["checks"]) == 4
    assert "disagreement with the network on 64 inputs held out of its calibration (320 synthetic" in said["answers"]
    assert main(["verify", str(folder / "half.tflite")]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines == [f"ok: {check}" for check in said["checks"]] + [said["answers"]]  # a figure is no verdict


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda f: (f / "v.tflite").write_bytes((f / "v.tflite").read_bytes() + b"\0"), "not the one that the report"),
        (lambda f: replaced(f / "v.report.json", '"file_bytes": ', '"file_bytes": 1'), "the report says 1"),
        (lambda f: replaced(f / "v.plan.json", '"seed": 3', '"seed": 4'), "differ in the seed"),
        (lambda f: replaced(f / "v.plan.json", '"ranks": []', '"ranks": [1]'), "differ in what layer"),
    ],
    ids=["file", "figures", "seed", "choice"],
)
def test_what_was_tampered_with_is_found(
    folder: Path, tmp_path: Path, spoil: object, sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    for suffix in (".tflite", ".report.json", ".plan.json"):
        (tmp_path / f"v{suffix}").write_bytes((folder / f"half{suffix}").read_bytes())
    assert main(["verify", str(tmp_path / "v.tflite"), "--quiet"]) == 0
    spoil(tmp_path)  # type: ignore[operator]
    assert main(["verify", str(tmp_path / "v.tflite"), "--quiet"]) == 4
    assert sentence in capfd.readouterr().err


@pytest.mark.parametrize(("target", "file"), [("c", "dev.c/model.c"), ("ethos_u", "dev_vela.tflite")])
def test_what_the_device_gets_is_verified_too(
    target: str, file: str, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    flags = ["--input_path", str(folder / "net.keras"), "--output_path", str(tmp_path / "dev.tflite"), "--jobs", "2"]
    flags += ["--target", target, "--quiet", *(["--keep_target_files"] if target == "ethos_u" else [])]
    assert main(["compress", *flags]) == 0
    assert main(["verify", str(tmp_path / "dev.tflite")]) == 0
    out = capfd.readouterr().out
    assert f"files for {target} that lie here, " in out
    assert ("the emitted C99" if target == "c" else "Vela") in out
    (tmp_path / file).write_bytes((tmp_path / file).read_bytes() + b" ")
    assert main(["verify", str(tmp_path / "dev.tflite"), "--quiet"]) == 4
    assert f"'{file}' is not the file that the run wrote; make it anew." in capfd.readouterr().err
    (tmp_path / file).unlink()
    assert main(["verify", str(tmp_path / "dev.tflite")]) == 0
    assert "1 more don't lie here" in capfd.readouterr().out
    replaced(tmp_path / "dev.report.json", '"file_bytes": ', '"file_bytes": 1')
    assert main(["verify", str(tmp_path / "dev.tflite"), "--quiet"]) == 4
    assert "the report says 1" in capfd.readouterr().err


def test_vela_is_told_as_in_the_run(shared: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What it makes of a DS-CNN depends on how much RAM it is told of, and of the original unless told, too."""
    paths = ["--input_path", str(shared / "models" / "ds_cnn_kws.h5"), "--output_path", str(tmp_path / "k.tflite")]
    flags = ["--target", "ethos_u", "--compression_factor", "0.8", "--compression_type", "tucker", "--budget", "bytes"]
    assert main(["compress", *paths, *flags, "--keep_target_files", "--no_html", "--json"]) == 0
    printed = json.loads(capfd.readouterr().out)
    assert printed == json.loads((tmp_path / "k.report.json").read_text())
    assert main(["verify", str(tmp_path / "k.tflite"), "--quiet"]) == 0
    original = printed["on_target"]["original"]["figures"]
    assert original["flash_bytes"] == printed["original"]["file_bytes"]
    told = printed["on_target"]["compressed"]["figures"]["extra"]["vela_options"]
    assert told == f"--arena-cache-size {original['arena_bytes']}"


def test_a_run_on_other_inputs_is_not_compared(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """As after `--calibration_data`, which is not at hand."""
    for suffix in (".tflite", ".report.json", ".plan.json"):
        (tmp_path / f"v{suffix}").write_bytes((folder / f"half{suffix}").read_bytes())
    known = json.loads((tmp_path / "v.plan.json").read_text())["calibration_hash"]
    for suffix in (".report.json", ".plan.json"):
        replaced(tmp_path / f"v{suffix}", known, "0" * len(known))
    assert main(["verify", str(tmp_path / "v.tflite")]) == 0
    assert "its answers can't be compared: the run was calibrated on other inputs" in capfd.readouterr().out


def test_inputs_of_ones_own_are_not_called_synthetic(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.npz"
    own.write_bytes((folder / "val.npz").read_bytes())
    flags = ["--jobs", "2", "--compression_type", "tucker", "--calibration_data", str(own), "--quiet", "--no_html"]
    paths = ["--input_path", str(folder / "net.keras"), "--output_path", str(tmp_path / "v.tflite")]
    assert main(["compress", *paths, *flags]) == 0
    assert main(["verify", str(tmp_path / "v.tflite")]) == 0
    last = capfd.readouterr().out.splitlines()[-1]
    assert "on 32 inputs held out of its calibration (160 inputs of own.npz): " in last
    assert "synthetic" not in last
    own.unlink()
    assert main(["verify", str(tmp_path / "v.tflite")]) == 0
    assert "its answers can't be compared" in capfd.readouterr().out


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_verify_needs_its_files(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path / "absent.tflite")]) == 2
    assert "absent.tflite does not exist" in capfd.readouterr().err
