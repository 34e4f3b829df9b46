"""The flags of `scripts/compress.py`: one line each, with its default (read off `Options`) and a worked example.

A flag is a field of `Options` of the same name; what it may be is judged there. Imports nothing heavy.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, NoReturn

from compiler.errors import BadInput
from compiler.options import (
    BUDGETS,
    COMPRESSION_TYPES,
    IO_TYPES,
    METHODS,
    PRUNING_STRUCTURES,
    RECOVERIES,
    TARGETS,
    WEIGHT_BITS,
    Options,
    refuse_unread,
)

# Flags that decide what each layer becomes: a plan holds the answers already.
DECIDED_BY_PLAN = (
    "pruning_structure",
    "block_size",
    "compression_type",
    "weight_bits",
    "method",
    "compression_factor",
    "max_acc_loss",
    "budget",
    "max_file_bytes",
    "max_arena_bytes",
    "max_latency_ratio",
    "exclude",
    "target",
    "accelerator",
    "io",
    "recover",
    "seed",
)

UNSET = {  # what a flag that isn't given means
    "accelerator": "ethos-u55-128",
    "c_name": "model",
    "eval_samples": "all",
    "input_range": "inferred",
    "jobs": "all",
    "max_arena_bytes": "the original's, where that can be had",
    "max_file_bytes": "the original's, where that can be had",
    "weight_bits": "2 for --target ethos_u and c, 4 for cortex_m, else 8",
}

COMPRESS = "Compress a trained Keras CNN into a verified int8 TFLite file. No training data is needed."


def parse(
    argv: Sequence[str], prog: str = "compress.py", description: str = COMPRESS, *, writes: bool = True
) -> Options:
    """Flags into `Options`; raises `BadInput` for what is wrong without looking at a file. A verb that writes nothing
    takes no flags about files to write."""
    given = vars(_parser(prog, description, writes).parse_args(joined(argv)))
    given.setdefault("output_path", Path("unwritten.tflite"))
    if given.get("method", "fixed_params") == "fixed_loss":
        _refuse(given, "compression_factor", "is read by --method fixed_params; with fixed_loss give --max_acc_loss")
    else:
        _refuse(given, "max_acc_loss", "is read by --method fixed_loss; add that, or give --compression_factor")
    if "plan" in given:
        for name in DECIDED_BY_PLAN:
            _refuse(given, name, "is decided by --plan already; leave one of the two out")
    if "eval_samples" in given and "data" not in given:
        raise BadInput("--eval_samples caps the examples of --data, which is missing; give both or neither.")
    refuse_unread(given)
    return Options(**given)


def _refuse(given: dict[str, Any], name: str, why: str) -> None:
    if name in given:
        raise BadInput(f"--{name} {why}.")


def joined(argv: Sequence[str]) -> list[str]:
    """`--input_range -1,1` as `--input_range=-1,1`: argparse would take the value for a flag."""
    joined: list[str] = []
    for word in argv:
        if re.match(r"-[\d.]", word) and joined and joined[-1].startswith("--") and "=" not in joined[-1]:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


class Parser(argparse.ArgumentParser):
    """Refuses as the rest of the compiler does: one sentence, `BadInput`."""

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message[0].upper()}{message[1:]}; see --help, which has an example of every flag.")


def _parser(prog: str, description: str, writes: bool) -> argparse.ArgumentParser:
    parser = Parser(
        prog=prog,
        description=description,
        epilog="Exit codes: 0 done, 2 bad input, 3 the budget or bound can't be met, 4 a check of the result failed, "
        "130 interrupted. Nothing is written unless the code is 0.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    files = parser.add_argument_group("files")
    _flag(
        files,
        "input_path",
        Path,
        "the trained network: .keras, .h5, .tflite (float or int8), or .weights.h5 with --model",
        "net.keras",
    )
    _flag(files, "model", str, "builder in models/ for a .weights.h5 file", "resnet20")
    _flag(files, "input_shape", _integers, "shape of one example, where the network leaves it open", "224,224,3")
    if writes:
        _flag(
            files,
            "output_path",
            Path,
            "the .tflite file to write; <name>.plan.json, .report.json and .report.html go beside it",
            "out/net.tflite",
        )
        _flag(files, "plan", Path, "replay this plan instead of searching", "out/net.plan.json")
        _flag(files, "no_html", None, "write no <name>.report.html, the page with pictures, beside the file")
        _flag(files, "save_keras", None, "keep the compressed Keras model too, as <name>.compressed.keras")
        _flag(files, "keep_target_files", None, "keep what the tool of xcore (C++, header) or ethos_u writes, too")

    what = parser.add_argument_group("what to do")
    _flag(
        what,
        "method",
        str,
        "fixed_params: meet --compression_factor; fixed_loss: compress as far as --max_acc_loss allows",
        "fixed_loss",
        METHODS,
    )
    _flag(
        what,
        "compression_factor",
        float,
        "the share KEPT, in (0, 1]: 0.5 keeps 50 %% (factor 0.5) of what --budget counts",
        "0.3",
    )
    _flag(
        what,
        "max_acc_loss",
        float,
        "largest loss of the int8 file: 0.02 is two points of accuracy, 2 %% of answers changed (no labels), 2 %% "
        "relative output error (no classifier) or 0.02 of the score (--evaluate)",
        "0.01",
    )
    _flag(
        what,
        "budget",
        str,
        "what the factor counts: params (bytes of stored weights), bytes (of the file; c: constants in flash), macs",
        "bytes",
        BUDGETS,
    )
    add_limit_flags(what)
    _flag(
        what,
        "compression_type",
        str,
        "hybrid: low rank and sparse, all kinds; tucker: low rank in three factors; spars: sparse only; tucker4: low "
        "rank in four factors; cp: low rank with a depthwise factor",
        "tucker",
        COMPRESSION_TYPES,
    )
    _flag(
        what,
        "pruning_structure",
        str,
        "structure of the sparse part; auto: whichever suits each layer",
        "block",
        PRUNING_STRUCTURES,
    )
    _flag(
        what,
        "weight_bits",
        int,
        "4, 3 or 2: kernels may be stored in so few bits a weight, too, where that loses least; slower on a phone",
        "4",
        WEIGHT_BITS,
    )
    _flag(what, "block_size", _integers, "input by output channels of a block, read by block and auto", "8,8")
    _flag(what, "exclude", str, "leave the layers that this regular expression finds", "'conv1|dense'")
    _flag(what, "target", str, "the device that the file is for", "xcore", TARGETS)
    _flag(what, "accelerator", str, "which Ethos-U, as Vela names it; read by --target ethos_u", "ethos-u65-256")
    _flag(what, "c_name", str, "what the C of --target c is called: NAME.c, NAME_run()", "keyword")
    _flag(what, "io", str, "type of the file's inputs and outputs", "uint8", IO_TYPES)
    _flag(
        what, "recover", str, "synthetic: win accuracy back by distilling on synthetic inputs", "synthetic", RECOVERIES
    )

    data = parser.add_argument_group("data (none is needed)")
    add_data_flags(data)
    _flag(data, "evaluate", str, "module:function(outputs, y): a score for each example, higher is better", "my:iou")
    _flag(data, "input_range", _numbers, "lowest and highest value the network is fed", "-1,1")
    _flag(data, "calibration_data", str, "calibrate on these unlabelled examples, not on synthetic inputs", "cal.npz")

    run = parser.add_argument_group("the run")
    _flag(run, "seed", int, "of everything random", "1")
    _flag(run, "jobs", int, "cores to use; changes no bit of the result", "2")
    _flag(
        run,
        "cluster",
        str,
        "price the layers of a large network on a Dask or Ray cluster; changes no bit of the result",
        "dask://10.0.0.5:8786",
    )
    _flag(run, "no_cache", None, "make synthetic inputs, statistics and menus anew, and don't keep them")
    _flag(run, "quiet", None, "print errors only")
    _flag(run, "json", None, "print the report as JSON on standard output")
    return parser


def add_data_flags(group: argparse._ActionsContainer) -> None:
    """The flags that say what to measure on, and what the network is fed."""
    _flag(
        group,
        "data",
        str,
        "measure on these: .npz with x and y, a folder of images by class, module:function (RUNS that code), digits, "
        "or a keras.datasets name",
        "val.npz",
    )
    _flag(group, "eval_samples", int, "use at most so many examples of --data", "2000")
    _flag(group, "input_scale", float, "the network is fed (x / input_scale - input_mean) / input_std", "255")
    _flag(group, "input_mean", _numbers, "one number, or one a channel", ".485,.456,.406")
    _flag(group, "input_std", _numbers, "one number, or one a channel", ".229,.224,.225")


def add_limit_flags(group: argparse._ActionsContainer) -> None:
    """The flags that say what the file may cost on its target."""
    _flag(
        group,
        "max_file_bytes",
        int,
        "largest file (xcore, ethos_u: what their tool makes of it; c: constants in flash)",
        "131072",
    )
    _flag(group, "max_arena_bytes", int, "most RAM of an inference, as the target's tool counts it", "65536")
    _flag(
        group,
        "max_latency_ratio",
        float,
        "longest time, as a share of the original's on the target; a clock (mobile) may read 5 %% more",
        "1",
    )


def _flag(
    group: argparse._ActionsContainer,
    name: str,
    type_: Callable[[str], Any] | None,
    help_: str,
    example: str = "",
    choices: Sequence[object] | None = None,
) -> None:
    """One flag, with its default (read off `Options`) and one worked example in the help."""
    example = f"example: --{name} {example}".rstrip()
    if type_ is None:
        group.add_argument(f"--{name}", action="store_true", help=f"{help_} [default: no; {example}]")
        return
    field = next(f for f in fields(Options) if f.name == name)
    required = field.default is MISSING and field.default_factory is MISSING
    shown = "required" if required else f"default: {UNSET.get(name) or _shown(field.default)}"
    metavar = {int: "N", float: "X", Path: "PATH"}.get(type_, "TEXT")  # type: ignore[call-overload]
    group.add_argument(
        f"--{name}",
        type=type_,
        choices=choices,
        required=required,
        metavar=None if choices else metavar if type_ not in (_integers, _numbers) else "A,B,…",
        help=f"{help_} [{shown}; {example}]",
    )


def _shown(default: object) -> str:
    if isinstance(default, tuple):
        return ",".join(map(_shown, default))
    return "none" if default is None else f"{default:g}" if isinstance(default, float) else str(default)


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of whole numbers such as 4,4") from None


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers such as .5,.5,.5") from None
