"""What a run reads is never what it writes: by name, through a link, for every file of either kind."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from compiler.cli import main
from compiler.errors import BadInput
from compiler.options import Options
from compiler.run.refuse_overwrite import refuse_overwrite
from compiler.run.write_result import write_result


def options(folder: Path, **given: Any) -> Options:
    return Options(**{"input_path": folder / "in.keras", "output_path": folder / "net.tflite", **given})


@pytest.mark.parametrize("source", ["input_path", "data", "calibration_data"])
@pytest.mark.parametrize(
    ("name", "flag", "asked"),
    [
        ("net.tflite", "output_path", {}),
        ("net.plan.json", "output_path", {}),
        ("net.report.json", "output_path", {}),
        ("net.report.html", "output_path", {}),
        ("net.compressed.keras", "save_keras", {"save_keras": True}),
    ],
)
def test_no_source_is_written_over(tmp_path: Path, source: str, name: str, flag: str, asked: dict[str, Any]) -> None:
    (tmp_path / name).touch()
    linked = tmp_path / "link.npz"
    linked.symlink_to(tmp_path / name)
    for path in (tmp_path / name, linked):
        given = path if source == "input_path" else str(path)
        with pytest.raises(BadInput) as refused:
            refuse_overwrite(options(tmp_path, **{source: given}, **asked))
        assert str(refused.value) == (
            f"--{flag} would write {name} over --{source} {path}; name another --output_path."
        )


def test_what_is_not_written_is_no_matter(tmp_path: Path) -> None:
    for name in ("net.report.html", "net.compressed.keras", "net.tflite"):
        (tmp_path / name).touch()
    refuse_overwrite(options(tmp_path, data=str(tmp_path / "net.report.html"), no_html=True))
    refuse_overwrite(options(tmp_path, input_path=tmp_path / "net.compressed.keras", data="module:function"))
    (tmp_path / "in.keras").touch()
    refuse_overwrite(options(tmp_path))


def test_a_plan_may_be_replayed_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "net.plan.json").touch()
    refuse_overwrite(options(tmp_path, plan=tmp_path / "net.plan.json"))
    (tmp_path / "net.report.json").touch()
    with pytest.raises(BadInput, match=r"^--output_path would write net\.report\.json over --plan "):
        refuse_overwrite(options(tmp_path, plan=tmp_path / "net.report.json"))


def test_the_command_line_refuses_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.tflite").write_bytes(b"the network")
    path = str(tmp_path / "net.tflite")
    assert main(["--input_path", path, "--output_path", path]) == 2
    assert "--output_path would write net.tflite over --input_path" in capsys.readouterr().err
    assert (tmp_path / "net.tflite").read_bytes() == b"the network"


def test_files_of_the_targets_tool_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their names are known only when they have been made: nothing is written then."""
    network = tmp_path / "net_vela.tflite"
    network.write_bytes(b"the network")
    target: Any = SimpleNamespace(is_source=False, files=lambda *_: {"net_vela.tflite": b"compiled"})
    for made in ("plan_json", "report_json", "page"):
        monkeypatch.setattr(f"compiler.run.write_result.{made}", lambda _: "")
    done: Any = SimpleNamespace(
        tflite=b"small", plan=None, result=SimpleNamespace(details=None), target=target, borders=None
    )
    asked = options(tmp_path, input_path=network, target="ethos_u", keep_target_files=True)
    with pytest.raises(BadInput, match=r"^--target ethos_u would write net_vela\.tflite over --input_path "):
        write_result(asked, done)
    assert [p.name for p in tmp_path.iterdir()] == ["net_vela.tflite"]
    assert network.read_bytes() == b"the network"
