"""The flags of a sweep: documented like those of a single run, and handed on to every row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from compiler.details import SweepRow
from compiler.errors import BadInput
from compiler.verbs.sweep import figures, run, sweep_parser

REQUIRED = ["--input_path", "net.keras", "--output_folder", "out"]


def helped() -> dict[str, tuple[str, str]]:
    """(what stands in the brackets before the example, the example) by flag."""
    found = {}
    for action in sweep_parser()._actions:
        if action.dest == "help":
            continue
        assert action.help is not None
        bracket = re.search(rf"\[(.+); example: --{action.dest} ?([^\]]*)\]$", action.help)
        assert bracket, f"--{action.dest} has no default or no example: {action.help}"
        found[action.dest] = (bracket[1], bracket[2])
    return found


def test_every_flag_has_a_default_and_an_example_that_is_accepted() -> None:
    for flag, (default, example) in helped().items():
        assert default == "required" or default.startswith("default: ")
        required = [] if flag in ("input_path", "output_folder") else REQUIRED
        if flag == "input_path":
            required = REQUIRED[2:]
        elif flag == "output_folder":
            required = REQUIRED[:2]
        assert flag in vars(sweep_parser().parse_args([*required, f"--{flag}", *example.split()]))


def test_limits_are_flags_of_a_sweep() -> None:
    limits = ["--max_file_bytes", "90000", "--max_arena_bytes", "50000", "--max_latency_ratio", "1.5"]
    given = sweep_parser().parse_args([*REQUIRED, *limits])
    assert (given.max_file_bytes, given.max_arena_bytes, given.max_latency_ratio) == (90_000, 50_000, 1.5)


def test_help_ends_with_a_whole_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        sweep_parser().parse_args(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    command = text.split("For example: python -m compiler sweep ")[1]
    given = sweep_parser().parse_args(command.split())
    assert given.targets == ["mobile", "xcore"]


def test_what_is_not_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.keras").touch()
    paths = ["--input_path", str(tmp_path / "net.keras"), "--output_folder", str(tmp_path / "out")]
    with pytest.raises(BadInput, match="--eval_samples caps the examples of --data, which is missing"):
        run([*paths, "--eval_samples", "5"])
    with pytest.raises(BadInput, match="--max_arena_bytes is 0; give a positive number"):
        run([*paths, "--max_arena_bytes", "0"])
    with pytest.raises(BadInput, match=r"--factors: '0\.5,abc' is no list of numbers such as 0\.5,0\.25"):
        run([*paths, "--factors", "0.5,abc"])
    with pytest.raises(BadInput, match="--input_scale brings --data and --calibration_data to the network's units"):
        run([*paths, "--input_scale", "255"])


@pytest.mark.parametrize(
    ("metric", "loss", "tier", "said"),
    [
        ("accuracy", 0.008, "measured", "keeps 49.9 %, loses 0.80 points of accuracy (measured)"),
        ("score", 0.031, "measured", "keeps 49.9 %, loses 0.031 of score (measured)"),
        ("disagreement", 0.031, "estimated", "keeps 49.9 %, disagreement 3.1 % (estimated)"),
    ],
)
def test_a_row_says_what_is_lost(metric: str, loss: float, tier: str, said: str) -> None:
    row = SweepRow("a", "net.keras", "mobile", "hybrid", "auto", 0.5, "params", 0.499, loss, metric, tier)
    assert figures(row) == said
