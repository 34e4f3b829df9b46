"""The target that the flags ask for, and what it can't do refused before any work is done."""

from __future__ import annotations

from compiler.backend.targets import TARGETS
from compiler.backend.targets.ethos_u import EthosU
from compiler.backend.targets.plain_c import PlainC
from compiler.backend.targets.target import Target
from compiler.errors import BadInput
from compiler.options import Options

OWN: dict[str, type[EthosU | PlainC]] = {"accelerator": EthosU, "c_name": PlainC}  # flags that one target reads


def target_of(options: Options) -> Target:
    """Raises BadInput for a structure, chain, bits, accelerator or files that the target lacks; says the nearest."""
    target = TARGETS[options.target]
    for flag, kind in OWN.items():
        given = getattr(options, flag)
        if given is None:
            continue
        if not isinstance(target, kind):
            raise BadInput(
                f"--{flag} is read by --target {kind.name}, not by {target.name}; add that, or leave it out."
            )
        target = kind(given)
    if options.io not in target.io:
        raise BadInput(
            f"--io {options.io}: {target.name} runs files with {' or '.join(target.io)} at their ends; use --io int8."
        )
    if options.keep_target_files and target.is_tflite:
        raise BadInput(
            f"--keep_target_files: {target.name} runs the .tflite as it is, and its tool writes nothing else; leave it "
            "out, or take --target xcore or ethos_u."
        )
    if options.pruning_structure != "auto" and options.compression_type in ("hybrid", "spars"):
        target.refuse_structure(options.pruning_structure)
    if options.compression_type == "cp":
        target.refuse_components()
    if options.weight_bits is not None:
        target.refuse_bits(options.weight_bits)
    return target
