"""What a run is asked to do: one frozen value whose fields are named as the flags of `scripts/compress.py`.

Values that can be judged without loading the model or touching a disk are judged here, so that a library user who
builds `Options` by hand gets the same sentences as the command line. Free of numpy, keras and tensorflow: `--help`
has to be quick.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from compiler.errors import BadInput

PRUNING_STRUCTURES = ("auto", "unstructured", "filter", "channel", "block")
COMPRESSION_TYPES = ("hybrid", "tucker", "spars", "tucker4", "cp")
WITHOUT_BRANCH = ("tucker", "tucker4", "cp")  # types that no structure changes
WEIGHT_BITS = (8, 4, 3, 2)
METHODS = ("fixed_params", "fixed_loss")
BUDGETS = ("params", "bytes", "macs")
TARGETS = ("mobile", "xcore", "cortex_m", "ethos_u", "c")
IO_TYPES = ("int8", "uint8", "float")
RECOVERIES = ("none", "synthetic")


def available_cores() -> int:
    """Cores this process may use (a container or `taskset` may grant fewer than the machine has)."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not offered by macOS and Windows
        return os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class Options:
    """Raises `BadInput` for a value that no model and no disk could make right."""

    input_path: Path
    output_path: Path
    model: str | None = None  # builder in `models/`, for a `.weights.h5`
    input_shape: tuple[int, ...] | None = None  # of one example, without the batch axis
    pruning_structure: str = "auto"
    block_size: tuple[int, int] = (4, 4)  # (b_in, b_out)
    compression_type: str = "hybrid"
    weight_bits: int | None = None  # kernels may be stored in so few, too; None: as the target has it
    method: str = "fixed_params"
    compression_factor: float = 0.5  # share KEPT, in (0, 1]; read by fixed_params
    max_acc_loss: float = 0.02  # in [0, 1], of what the examples measure: see `Evidence`; read by fixed_loss
    budget: str = "params"
    max_file_bytes: int | None = None  # of the artefact that is flashed; None: the original's, where that can be had
    max_arena_bytes: int | None = None  # RAM as the target's tool counts it; None: the original's, likewise
    max_latency_ratio: float | None = None  # time as a share of the original's; None: no limit
    data: str | None = None
    evaluate: str | None = None  # "module:function", score of each example of a network that is no classifier
    input_scale: float = 1.0
    input_mean: tuple[float, ...] = (0.0,)  # one number, or one a channel
    input_std: tuple[float, ...] = (1.0,)
    input_range: tuple[float, float] | None = None  # of the network's inputs; None: inferred
    calibration_data: str | None = None
    eval_samples: int | None = None  # at most so many examples of `data`; None: all
    exclude: str | None = None  # regular expression, searched in layer names
    target: str = "mobile"
    accelerator: str | None = None  # of ethos_u; None: its default
    c_name: str | None = None  # of c: what its files and functions are called; None: model
    io: str = "int8"
    recover: str = "none"
    seed: int = 0
    jobs: int = field(default_factory=available_cores)
    cluster: str | None = None  # dask://host:port or ray://host:port: candidates of layers are priced there
    plan: Path | None = None  # replay this plan instead of searching
    save_keras: bool = False
    keep_target_files: bool = False
    no_html: bool = False
    no_cache: bool = False
    quiet: bool = False
    json: bool = False

    @property
    def plan_path(self) -> Path:
        """Where the plan of this run is written."""
        return self.output_path.with_suffix(".plan.json")

    @property
    def report_path(self) -> Path:
        """Where the report of this run is written."""
        return self.output_path.with_suffix(".report.json")

    @property
    def html_path(self) -> Path:
        """Where the page of this run is written, unless `no_html`."""
        return self.output_path.with_suffix(".report.html")

    @property
    def keras_path(self) -> Path:
        """Where `save_keras` keeps the compressed Keras model."""
        return self.output_path.with_suffix(".compressed.keras")

    def __post_init__(self) -> None:
        for flag, allowed in (
            ("pruning_structure", PRUNING_STRUCTURES),
            ("compression_type", COMPRESSION_TYPES),
            ("method", METHODS),
            ("budget", BUDGETS),
            ("target", TARGETS),
            ("io", IO_TYPES),
            ("recover", RECOVERIES),
        ):
            value = getattr(self, flag)
            if value not in allowed:
                raise BadInput(f"--{flag} is {value!r}; use one of {', '.join(allowed)}.")
        if self.weight_bits is not None and self.weight_bits not in WEIGHT_BITS:
            raise BadInput(f"--weight_bits is {self.weight_bits}; use one of {', '.join(map(str, WEIGHT_BITS))}.")
        if not 0 < self.compression_factor <= 1:
            raise BadInput(
                f"--compression_factor is {self.compression_factor:g}; it is the share kept, so give a number above 0 "
                "and up to 1, such as 0.5."
            )
        if not 0 <= self.max_acc_loss <= 1:
            raise BadInput(
                f"--max_acc_loss is {self.max_acc_loss:g}; it is a share (of accuracy, of changed answers, of the "
                "outputs' size), so give a number from 0 to 1, such as 0.02 for two points of accuracy."
            )
        for flag in ("max_file_bytes", "max_arena_bytes"):
            limit = getattr(self, flag)
            if limit is not None and limit < 1:
                raise BadInput(f"--{flag} is {limit}; give a positive number of bytes, such as 65536.")
        ratio = self.max_latency_ratio
        if ratio is not None and not (math.isfinite(ratio) and ratio > 0):
            raise BadInput(
                f"--max_latency_ratio is {ratio:g}; it is a share of the original's time, so give a number above 0, "
                "such as 1 for no slower."
            )
        if len(self.block_size) != 2 or min(self.block_size) < 1:
            raise BadInput(
                f"--block_size is {_listed(self.block_size)}; give two positive numbers, input by output channels, "
                "such as 4,4."
            )
        if self.input_shape is not None and (not self.input_shape or min(self.input_shape) < 1):
            raise BadInput(
                f"--input_shape is {_listed(self.input_shape)}; give the positive sizes of one example without the "
                "batch axis, such as 32,32,3."
            )
        if not math.isfinite(self.input_scale) or self.input_scale == 0:
            raise BadInput(f"--input_scale is {self.input_scale:g}; inputs are divided by it, so give a number but 0.")
        if not self.input_mean or not all(map(math.isfinite, self.input_mean)):
            raise BadInput(f"--input_mean is {_listed(self.input_mean)}; give finite numbers, one or one a channel.")
        if not self.input_std or not all(math.isfinite(s) and s > 0 for s in self.input_std):
            raise BadInput(
                f"--input_std is {_listed(self.input_std)}; inputs are divided by it, so give positive numbers, one "
                "or one a channel."
            )
        if self.input_range is not None and not (
            len(self.input_range) == 2
            and all(map(math.isfinite, self.input_range))
            and self.input_range[0] < self.input_range[1]
        ):
            raise BadInput(
                f"--input_range is {_listed(self.input_range)}; give the lowest and the highest value that the network "
                "is fed, such as 0,255."
            )
        if self.eval_samples is not None and self.eval_samples < 1:
            raise BadInput(
                f"--eval_samples is {self.eval_samples}; give a positive number, or leave it out to use all."
            )
        if self.exclude is not None:
            try:
                re.compile(self.exclude)
            except re.error as error:
                raise BadInput(
                    f"--exclude {self.exclude!r} is no regular expression ({error}); to name layers as they are, "
                    "write for example 'conv1|dense'."
                ) from None
        if self.seed < 0:
            raise BadInput(f"--seed is {self.seed}; give 0 or a positive number.")
        if self.jobs < 1:
            raise BadInput(f"--jobs is {self.jobs}; give the number of cores to use, 1 or more.")
        if self.evaluate is not None and self.data is None:
            raise BadInput("--evaluate scores the examples of --data, which is missing; give both.")


def refuse_unread(given: Mapping[str, object]) -> None:
    """Raise `BadInput` for an option among those `given` that none of the others reads."""
    structure, kind = given.get("pruning_structure", "auto"), given.get("compression_type", "hybrid")
    if structure != "auto" and kind in WITHOUT_BRANCH:
        raise BadInput(
            f"--pruning_structure is read by --compression_type hybrid or spars, not by {kind}; change that, or leave "
            "it out."
        )
    units = next((name for name in ("input_scale", "input_mean", "input_std") if name in given), None)
    if units is not None and not {"data", "calibration_data"} & set(given):
        raise BadInput(
            f"--{units} brings --data and --calibration_data to the network's units, and there is neither; give one, "
            "or --input_range for synthetic inputs."
        )
    if "block_size" not in given:
        return
    if structure not in ("auto", "block"):
        why = f"--pruning_structure auto or block, not by {structure}"
    elif kind in WITHOUT_BRANCH:
        why = f"--compression_type hybrid or spars, not by {kind}"
    else:
        return
    raise BadInput(f"--block_size is read by {why}; change that, or leave it out.")


def _listed(numbers: tuple[float, ...]) -> str:
    return ",".join(f"{n:g}" for n in numbers) or "empty"
