"""What can be said of `--data` and `--calibration_data` before anything is read: that there is such a source."""

from __future__ import annotations

from pathlib import Path

from compiler.errors import BadInput

KERAS_DATASETS = ("cifar10", "cifar100", "fashion_mnist", "mnist")
KNOWN = ("digits", *KERAS_DATASETS)


def check_source(spec: str, flag: str) -> None:
    """Raise BadInput, naming `flag`, where `spec` is no .npz file, folder, function or data set that is there."""
    path = Path(spec)
    if path.suffix == ".npz":
        if not path.is_file():
            raise BadInput(f"{flag} {path} does not exist; give the path of an .npz file.")
        return
    if spec.removeprefix("keras.datasets.") in KNOWN or path.is_dir() or ":" in spec:
        return
    what = "is a file of another kind" if path.exists() else "is neither a file, a folder nor a known name"
    raise BadInput(
        f"{flag} {spec!r} {what}; give an .npz file, a folder of images, module:function, or one of {', '.join(KNOWN)}."
    )
