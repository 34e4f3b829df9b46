"""What can be said of a run's files before anything is loaded: that they are there, and that the result can be put."""

from __future__ import annotations

import tempfile

from compiler.errors import BadInput
from compiler.options import Options


def check_input(options: Options) -> None:
    """Raise `BadInput` for a network that is missing, or can't be read as it is given."""
    source = options.input_path
    if not source.exists():
        raise BadInput(f"--input_path {source} does not exist; give the path of a .keras, .h5 or .tflite file.")
    if not source.is_file():
        raise BadInput(f"--input_path {source} is a folder; save the model as a .keras file and give that.")
    if source.name.endswith(".weights.h5") and options.model is None:
        raise BadInput(
            f"--input_path {source} holds weights only; name the builder of their network with --model, such as "
            "--model resnet20."
        )


def check_paths(options: Options) -> None:
    """Raise `BadInput` for a file that is missing or a folder that can't take the output; leaves nothing behind."""
    check_input(options)
    output = options.output_path
    if output.suffix != ".tflite":
        raise BadInput(f"--output_path {output} does not end in .tflite; name a file such as {output}.tflite.")
    if output.is_dir():
        raise BadInput(f"--output_path {output} is a folder; name a file to write, such as {output}/net.tflite.")
    folder = output.parent
    if not folder.is_dir():
        raise BadInput(f"The folder {folder} of --output_path does not exist; make it with mkdir -p {folder}.")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise BadInput(
            f"The folder {folder} of --output_path can't be written ({error.strerror}); choose another one."
        ) from None
    if options.plan is not None and not options.plan.is_file():
        raise BadInput(f"--plan {options.plan} does not exist; give the .plan.json that lies beside an earlier result.")
