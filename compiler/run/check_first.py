"""Everything that can be refused before Keras and TensorFlow are loaded, which takes many times as long as this."""

from __future__ import annotations

import importlib.util

from compiler.errors import BadInput
from compiler.evidence.check_source import check_source
from compiler.frontend.file_kind import file_kind
from compiler.frontend.kernel_shapes import kernel_shapes
from compiler.options import Options
from compiler.run.cluster import kind_of, lacking
from compiler.run.plan_json import read_plan
from compiler.run.plan_options import plan_options
from compiler.run.target_of import target_of
from models import MODELS


def check_first(options: Options) -> None:
    """Raise BadInput for a plan, a target, its tool, data, a network's file or a block size that no run could use.

    A run that passes may still be refused: whatever needs the network itself is looked at as it is read.
    """
    if options.plan is not None:
        options = plan_options(options, read_plan(options.plan))
    target_of(options).require_tool()
    if options.cluster is not None:
        check_cluster(options.cluster)
    check_sources(options)
    check_network(options)


def check_cluster(cluster: str) -> None:
    """Raise BadInput for what is no address of a cluster, or one whose package is not installed."""
    package = {"dask": "distributed", "ray": "ray"}[kind_of(cluster)]
    if importlib.util.find_spec(package) is None:
        raise lacking(package)


def check_sources(options: Options) -> None:
    """Raise BadInput for examples that are not there."""
    for flag in ("data", "calibration_data"):
        named = getattr(options, flag)
        if named is not None:
            check_source(named, f"--{flag}")


def check_network(options: Options) -> None:
    """Raise BadInput for a file that holds no network, or whose convolutions no block that was asked for divides."""
    path = options.input_path
    kind = file_kind(path)
    if kind == "weights" and options.model is None:
        raise BadInput(f"{path} holds weights but no graph; name its builder with --model (one of {', '.join(MODELS)})")
    if kind == "weights" and options.model not in MODELS:
        raise BadInput(f"--model {options.model} is not in models/; it is one of {', '.join(MODELS)}")
    if kind != "weights" and options.model is not None:
        raise BadInput(f"{path} holds its own graph; leave --model {options.model} out")
    if options.pruning_structure != "block" or options.plan is not None:
        return
    shapes = kernel_shapes(path, kind)
    b_in, b_out = options.block_size
    if shapes and not any(c_in % b_in == 0 and c_out % b_out == 0 for _, _, c_in, c_out in shapes):
        channels = ", ".join(f"{c_in}×{c_out}" for _, _, c_in, c_out in shapes[:3])
        raise BadInput(
            f"--block_size {b_in},{b_out} divides the channels of no convolution ({channels}, …); choose divisors of "
            "c_in,c_out."
        )
