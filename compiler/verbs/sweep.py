"""`sweep`: compress over factors, structures, types, targets and networks; one folder, one page."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from compiler.cli import quietly
from compiler.errors import BadInput
from compiler.flags import Parser, add_data_flags, add_limit_flags, joined
from compiler.options import (
    BUDGETS,
    COMPRESSION_TYPES,
    PRUNING_STRUCTURES,
    RECOVERIES,
    TARGETS,
    WEIGHT_BITS,
    Options,
    available_cores,
    refuse_unread,
)

WHAT = (
    "Compress every network for every target, type, structure and factor. A row that is done is not done again: the "
    "same command, started once more, goes on where it stopped."
)
if TYPE_CHECKING:
    from compiler.details import SweepRow

T = TypeVar("T")


def run(words: Sequence[str]) -> None:
    """The verb; raises BadInput for a flag, a network or a cluster that can't be used."""
    given = vars(sweep_parser().parse_args(joined(words)))
    folder, networks = given.pop("output_folder"), given.pop("input_path")
    for network in networks:
        if not network.is_file():
            raise BadInput(f"--input_path {network} does not exist; give the paths of .keras, .h5 or .tflite files.")
    axes = {name: given.pop(name) for name in ("factors", "structures", "types", "targets")}
    cluster, workers = given.pop("cluster", None), given.pop("workers", 1)
    if "eval_samples" in given and "data" not in given:
        raise BadInput("--eval_samples caps the examples of --data, which is missing; give both or neither.")
    refuse_unread(given)
    if workers < 1:
        raise BadInput(f"--workers is {workers}; give the number of rows to do at a time, 1 or more.")
    jobs = max(1, available_cores() // workers) if cluster is None else 1
    asked = Options(**{"jobs": jobs, **given}, input_path=networks[0], output_path=folder / "row.tflite")
    from compiler.run.check_first import check_cluster, check_network, check_sources
    from compiler.sweep.rows import rows
    from compiler.sweep.sweep import PAGE, sweep

    todo = rows(asked, networks=networks, **axes)
    check_sources(asked)
    if cluster is not None:
        check_cluster(cluster)
    for network in networks:
        check_network(replace(asked, input_path=network))
    make_folder(folder)
    with quietly(asked) as progress:
        found = sweep(todo, cluster=cluster, workers=workers, progress=progress)
    if asked.json:
        sys.stdout.write(json.dumps([asdict(row) for row in found], indent=2, ensure_ascii=False) + "\n")
    elif not asked.quiet:
        for row in found:
            print(f"{row.name}: {row.refused or figures(row)}")
        print(folder / PAGE)


def figures(row: SweepRow) -> str:
    """For example "keeps 50.0 %, loses 0.80 points of accuracy (measured)"."""
    from compiler.report.table import amount

    lost = amount(row.metric, row.loss or 0.0)
    told = f"loses {lost} of {row.metric}" if row.metric in ("accuracy", "score") else f"{row.metric} {lost}"
    return f"keeps {100 * (row.kept or 0.0):.1f} %, {told} ({row.tier})"


def make_folder(folder: Path) -> None:
    """The folder of the rows' records, and with it `folder`. Raises BadInput where it can't be made or written."""
    try:
        (folder / "rows").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder / "rows"):
            pass
    except OSError as error:
        raise BadInput(f"--output_folder {folder} can't be written ({error.strerror}); choose another one.") from None


def sweep_parser() -> argparse.ArgumentParser:
    """Its flags, each with its default and an example."""
    parser = Parser(
        prog="python -m compiler sweep",
        description=WHAT,
        epilog="For example: python -m compiler sweep --input_path models/digits.keras --output_folder out/sweep "
        "--factors 0.5,0.25 --types hybrid,tucker --targets mobile,xcore --max_latency_ratio 1 --data digits",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "--input_path", type=Path, nargs="+", required=True, metavar="PATH",
        help="networks [required; example: --input_path a.keras b.h5]",
    )  # fmt: skip
    parser.add_argument(
        "--output_folder", type=Path, required=True, metavar="PATH",
        help="all rows and index.html [required; example: --output_folder out/sweep]",
    )  # fmt: skip
    parser.add_argument(
        "--factors", type=_list(float), default=[0.7, 0.5, 0.3], metavar="X,…",
        help="shares kept [default: 0.7,0.5,0.3; example: --factors 0.5,0.25]",
    )  # fmt: skip
    for name, allowed, default, example in (
        ("structures", PRUNING_STRUCTURES, "auto", "auto,block"),
        ("types", COMPRESSION_TYPES, "hybrid", "hybrid,tucker"),
        ("targets", TARGETS, "mobile", "mobile,xcore"),
    ):
        parser.add_argument(
            f"--{name}", type=_list(str, allowed), default=[default], metavar="A,…",
            help=f"of {', '.join(allowed)} [default: {default}; example: --{name} {example}]",
        )  # fmt: skip
    parser.add_argument(
        "--budget", choices=BUDGETS, help="what factors count [default: params; example: --budget bytes]"
    )
    add_limit_flags(parser)
    parser.add_argument(
        "--weight_bits", type=int, choices=WEIGHT_BITS,
        help="kernels may be stored in so few, too [default: the target's; example: --weight_bits 4]",
    )  # fmt: skip
    parser.add_argument(
        "--recover", choices=RECOVERIES, help="win accuracy back [default: none; example: --recover synthetic]"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="of everything random [default: 0; example: --seed 1]")
    add_data_flags(parser)
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="rows done at a time on this machine [default: 1; example: --workers 2]",
    )
    parser.add_argument(
        "--cluster", metavar="URL",
        help="do the rows on a Dask or Ray cluster [default: none; example: --cluster dask://10.0.0.5:8786]",
    )  # fmt: skip
    for name, what in (
        ("no_cache", "make synthetic inputs anew for each row"),
        ("quiet", "print errors only"),
        ("json", "print the rows as JSON"),
    ):
        parser.add_argument(f"--{name}", action="store_true", help=f"{what} [default: no; example: --{name}]")
    return parser


def _list(kind: Callable[[str], T], allowed: Sequence[str] = ()) -> Callable[[str], list[T]]:
    """ "a,b" as a list of `kind`."""

    def read(text: str) -> list[T]:
        parts = text.split(",")
        for part in parts:
            if allowed and part not in allowed:
                raise argparse.ArgumentTypeError(f"{part!r} is none of {', '.join(allowed)}")
        try:
            return [kind(part) for part in parts]
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers such as 0.5,0.25") from None

    return read
