"""The inputs of a row: our synthetic ones, or 512 real images without their labels, none of them measured on.

Both are made once and kept in `out/peers`, outside of any clock.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.suites import NETWORKS, SHARED
from compiler.errors import BadInput
from compiler.evidence.load_data import load_data
from compiler.evidence.read_digits import read_digits
from compiler.frontend.read_network import Network
from compiler.options import Options
from compiler.report.progress import Silent
from compiler.run.cache import Cache
from compiler.run.calibration_inputs import Calibration, calibration_inputs

MADE = Path(__file__).resolve().parents[2] / "out" / "peers"
COUNT = 512
EXACT, JPEG = SHARED / "data" / "cifar10_train4000.npz", SHARED / "data" / "cifar10_jpeg_train.tar.xz"


def inputs_of(name: str, network: Network, options: Options, data: str) -> Calibration:
    """What methods may look at: `data` is "synthetic" or "real"."""
    if data == "synthetic":
        return calibration_inputs(network, options, Cache(MADE), Silent())
    path = real_images(name)
    if path is None:
        raise BadInput(f"there are no images of the kind of '{name}' here but those that it is measured on.")
    shapes = network.input_shapes
    found = load_data(
        str(path),
        input_shape=shapes if len(shapes) > 1 else shapes[0],
        input_scale=options.input_scale,
        input_mean=options.input_mean,
        input_std=options.input_std,
        limit=COUNT,
        flag="--calibration_data",
    )
    return Calibration(replace(found, y=None).inputs(), f"{len(found)} real images", (None,) * len(shapes))


def real_images(name: str) -> Path | None:
    """An .npz with `x`: images of the network's kind that it is not measured on; None where there are none here."""
    measured_on = Path(NETWORKS[name].data).name
    if measured_on == "digits":
        return kept(MADE / "digits_training.npz", lambda: read_digits("training").x[0])
    if measured_on == "cifar10_exact_dev.npz":
        return EXACT if EXACT.exists() else None
    if measured_on == "cifar10_jpeg_dev.npz" and JPEG.exists():
        return kept(MADE / f"cifar10_jpeg_{COUNT}.npz", lambda: unpacked(JPEG))
    return None


def kept(path: Path, make: Callable[[], np.ndarray]) -> Path:
    """`path`, made where it is missing, under a name of its own until it is whole."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez(part, x=make())
        part.replace(path)
    return path


def unpacked(archive: Path) -> np.ndarray:
    """COUNT images (n, h, w, 3) uint8 of an archive of folders, evenly spread over it."""
    import PIL.Image

    with tarfile.open(archive) as opened:
        files = [m for m in opened.getmembers() if m.isfile()]
        chosen = sorted({int(i) for i in np.linspace(0, len(files) - 1, COUNT)})
        content = [opened.extractfile(files[i]) for i in chosen]
        return np.stack([np.asarray(PIL.Image.open(io.BytesIO(c.read())).convert("RGB")) for c in content if c])
