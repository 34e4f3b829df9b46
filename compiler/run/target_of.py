"""The target that the flags ask for, and what it can't do refused before any work is done."""

from __future__ import annotations

from compiler.backend.targets import TARGETS
from compiler.backend.targets.ethos_u import EthosU
from compiler.backend.targets.plain_c import PlainC
from compiler.backend.targets.target import Target
from compiler.errors import BadInput
from compiler.options import Options


def target_of(options: Options) -> Target:
    """Raises BadInput for a structure, bits, accelerator or files that the target lacks, with the nearest it has."""
    target = TARGETS[options.target]
    if options.accelerator is not None:
        if not isinstance(target, EthosU):
            raise BadInput(
                f"--accelerator is read by --target ethos_u, not by {target.name}; add that, or leave it out."
            )
        target = EthosU(options.accelerator)
    if options.c_name is not None:
        if not isinstance(target, PlainC):
            raise BadInput(f"--c_name is read by --target c, not by {target.name}; add that, or leave it out.")
        target = PlainC(options.c_name)
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
    if options.weight_bits is not None:
        target.refuse_bits(options.weight_bits)
    return target
