"""The rows of a sweep: every combination that was asked for, each named for what it is and keyed by its content."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from compiler.backend.targets import TARGETS
from compiler.errors import BadInput
from compiler.options import WITHOUT_BRANCH, Options
from compiler.run.cache import key_of

NO_CONTENT = (
    "input_path", "output_path", "data", "calibration_data", "jobs", "cluster", "quiet", "json", "no_cache", "no_html",
)  # fmt: skip


def rows(
    asked: Options,
    *,
    networks: Sequence[Path],
    factors: Sequence[float],
    structures: Sequence[str],
    types: Sequence[str],
    targets: Sequence[str],
) -> list[Options]:
    """One `Options` a row, the files of each in the folder of `asked.output_path`; `asked` is what all have in common.

    Raises BadInput for a network that is not there, and for two networks of one name.
    """
    names = [path.stem for path in networks]
    if len(set(names)) < len(names):
        raise BadInput("two networks of the sweep have the same file name; rename one, its rows are named for it.")
    found: dict[str, Options] = {}
    for network, target, kind, structure, factor in itertools.product(networks, targets, types, structures, factors):
        structure = "auto" if kind in WITHOUT_BRANCH else structure
        row = replace(
            asked, input_path=network, target=target, compression_type=kind, pruning_structure=structure,
            compression_factor=factor,
        )  # fmt: skip
        row = replace(row, output_path=asked.output_path.parent / f"{name_of(row)}-{key_of_row(row)[:8]}.tflite")
        found.setdefault(row.output_path.stem, row)
    return list(found.values())


def name_of(row: Options) -> str:
    """For example "resnet20-hybrid-block4x4-p50-w8a8-mobile"."""
    structure = row.pruning_structure
    if structure == "block":
        structure = "block{}x{}".format(*row.block_size)
    variant = row.compression_type if row.compression_type in WITHOUT_BRANCH else f"{row.compression_type}-{structure}"
    bits = row.weight_bits or TARGETS[row.target].weight_bits
    return f"{row.input_path.stem}-{variant}-p{100 * row.compression_factor:g}-w{bits}a8-{row.target}"


def key_of_row(row: Options) -> str:
    """SHA-256 over the network's file, the data's, every flag that can change the result, and the compiler's source."""
    flags = tuple(sorted((k, repr(v)) for k, v in asdict(row).items() if k not in NO_CONTENT))
    files = tuple(content_of(named) for named in (str(row.input_path), row.data, row.calibration_data))
    return key_of(files, flags, rooms=("",))


def content_of(named: str | None) -> str:
    """The hash of a file; of anything else (`digits`, a folder, `module:function`) its name."""
    if named is None or not Path(named).is_file():
        return str(named)
    with open(named, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
