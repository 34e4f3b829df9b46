from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from compiler.errors import BadInput
from compiler.flags import parse
from compiler.options import Options

PATHS = ["--input_path", "net.keras", "--output_path", "out/net.tflite"]


def test_defaults() -> None:
    options = parse(PATHS)
    assert options == Options(input_path=Path("net.keras"), output_path=Path("out/net.tflite"))
    assert (options.method, options.compression_factor, options.target) == ("fixed_params", 0.5, "mobile")
    assert (options.pruning_structure, options.compression_type) == ("auto", "hybrid")


def test_every_flag_reaches_its_field() -> None:
    options = parse(
        [
            *PATHS,
            *("--model", "resnet20", "--input_shape", "32,32,3", "--pruning_structure", "block", "--block_size", "8,2"),
            *("--compression_type", "spars", "--method", "fixed_loss", "--max_acc_loss", ".01", "--budget", "macs"),
            *("--data", "digits", "--evaluate", "my:iou", "--input_scale", "255", "--input_mean", "-.5,.5,1"),
            *("--input_std", ".1,.2,.3", "--input_range", "-1,1", "--calibration_data", "cal.npz"),
            *("--eval_samples", "99", "--exclude", "conv1|dense", "--target", "xcore", "--io", "uint8"),
            *("--recover", "synthetic", "--seed", "3", "--jobs", "2"),
            *("--max_file_bytes", "90000", "--max_arena_bytes", "50000", "--max_latency_ratio", "1.5"),
            *("--accelerator", "ethos-u65-256", "--c_name", "keyword", "--keep_target_files"),
            *("--save_keras", "--no_cache", "--quiet", "--json"),
        ]
    )
    assert options == Options(
        input_path=Path("net.keras"),
        output_path=Path("out/net.tflite"),
        model="resnet20",
        input_shape=(32, 32, 3),
        pruning_structure="block",
        block_size=(8, 2),
        compression_type="spars",
        method="fixed_loss",
        max_acc_loss=0.01,
        budget="macs",
        data="digits",
        evaluate="my:iou",
        input_scale=255.0,
        input_mean=(-0.5, 0.5, 1.0),
        input_std=(0.1, 0.2, 0.3),
        input_range=(-1.0, 1.0),
        calibration_data="cal.npz",
        eval_samples=99,
        exclude="conv1|dense",
        target="xcore",
        io="uint8",
        recover="synthetic",
        seed=3,
        jobs=2,
        max_file_bytes=90_000,
        max_arena_bytes=50_000,
        max_latency_ratio=1.5,
        accelerator="ethos-u65-256",
        c_name="keyword",
        keep_target_files=True,
        save_keras=True,
        no_cache=True,
        quiet=True,
        json=True,
    )
    assert parse([*PATHS, "--plan", "a.plan.json"]).plan == Path("a.plan.json")
    assert parse([*PATHS, "--block_size", "8,2"]).block_size == (8, 2)  # read by auto
    assert parse([*PATHS, "--compression_factor", "0.3"]).compression_factor == 0.3


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--method fixed_loss --compression_factor 0.5", r"--compression_factor is read by --method fixed_params"),
        ("--max_acc_loss 0.02", r"--max_acc_loss is read by --method fixed_loss; add that"),
        ("--plan p.json --seed 1", r"--seed is decided by --plan already"),
        ("--plan p.json --max_arena_bytes 50000", r"--max_arena_bytes is decided by --plan already"),
        ("--plan p.json --accelerator ethos-u65-256", r"--accelerator is decided by --plan already"),
        ("--max_arena_bytes 0", r"--max_arena_bytes is 0; give a positive number of bytes"),
        ("--max_file_bytes -5", r"--max_file_bytes is -5; give a positive number of bytes"),
        ("--max_latency_ratio 0", r"--max_latency_ratio is 0; it is a share of the original's time"),
        ("--plan p.json --compression_factor .5", r"--compression_factor is decided by --plan already"),
        ("--eval_samples 10", r"caps the examples of --data, which is missing"),
        ("--compression_factor 1.5", r"--compression_factor is 1\.5; it is the share kept"),
        (
            "--compression_type cp --pruning_structure filter",
            r"--pruning_structure is read by .* spars, not by cp",
        ),
        (
            "--input_mean 0.5",
            r"--input_mean brings --data and --calibration_data to .* and there is neither",
        ),
        ("--compression_factor half", r"--compression_factor: invalid float value: 'half'; see --help"),
        ("--block_size 4x4", r"--block_size: '4x4' is no list of whole numbers such as 4,4"),
        (
            "--block_size 8,8 --pruning_structure filter",
            r"--block_size is read by --pruning_structure auto or block",
        ),
        ("--block_size 8,8 --pruning_structure unstructured", r"not by unstructured; change that, or leave it out"),
        ("--block_size 8,8 --compression_type tucker", r"--block_size is read by --compression_type hybrid or spars"),
        ("--input_mean a,b", r"'a,b' is no list of numbers"),
        ("--pruning_structure random", r"invalid choice: 'random'"),
        ("--factor 0.5", r"Unrecognized arguments: --factor 0\.5"),
        ("--compression_f 0.5", r"Unrecognized arguments: --compression_f 0\.5"),
        ("--seed", r"--seed: expected one argument"),
    ],
)
def test_bad_flags(flags: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parse([*PATHS, *flags.split()])


def test_paths_are_required() -> None:
    with pytest.raises(BadInput, match="required: --output_path"):
        parse(PATHS[:2])


def test_help_has_a_default_and_an_example_of_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        parse(["--help"])
    assert done.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for field in fields(Options):
        assert re.search(rf"--{field.name} [^\[]*\[(default: \S|required)[^\]]*; example: --{field.name}\b", text)
    assert "the share KEPT, in (0, 1]: 0.5 keeps 50 % (factor 0.5)" in text


def test_examples_in_help_are_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    examples = dict(re.findall(r"example: --(\w+) ?([^\]]*)\]", text))
    assert len(examples) == len(fields(Options))
    needs = {"max_acc_loss": "--method fixed_loss"}
    needs |= dict.fromkeys(("eval_samples", "evaluate", "input_scale", "input_mean", "input_std"), "--data digits")
    for flag, value in examples.items():
        paths = [] if flag in ("input_path", "output_path") else PATHS
        if flag == "input_path":
            paths = PATHS[2:]
        elif flag == "output_path":
            paths = PATHS[:2]
        words = [f"--{flag}", *([value.strip("'")] if value else []), *needs.get(flag, "").split()]
        parse([*paths, *words])


def test_a_verb_that_writes_nothing_has_no_flags_for_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(PATHS[:2], writes=False).input_path == Path(PATHS[1])
    with pytest.raises(BadInput, match="--output_path"):
        parse(PATHS, "inspect", "Look at it.", writes=False)
    with pytest.raises(SystemExit):
        parse(["--help"], "inspect", "Look at it.", writes=False)
    out = capsys.readouterr().out
    assert out.startswith("usage: inspect")
    assert "Look at it." in out
    assert "--no_html" not in out
