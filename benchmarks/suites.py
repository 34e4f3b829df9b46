"""What is measured: networks with the images they are measured on, and suites of runs of `scripts/compress.py`.

The networks and images are not part of the repository; they are looked for in `../shared` (models, data), and rows
whose files are missing are left out with a line that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

SHARED = Path(__file__).resolve().parents[2] / "shared"
CARRIED = Path(__file__).resolve().parents[1] / "models"
REGIMES = ("none", "bn", "l2", "l1")  # of scripts/train.py
MADE = Path(__file__).resolve().parents[1] / "out" / "regimes"


@dataclass(frozen=True, slots=True)
class Network:
    """A trained network, its images and the flags that turn them into its inputs."""

    file: Path
    data: str
    inputs: tuple[str, ...] = ()
    trained: tuple[str, ...] = ()  # flags of scripts/train.py that make the file where it is missing

    @property
    def missing(self) -> Path | None:
        """A file that is not there, if any."""
        needed = [self.file] + ([Path(self.data)] if "/" in self.data else [])
        return next((path for path in needed if not path.exists()), None)


def shared(file: str, data: str, *inputs: str) -> Network:
    return Network(SHARED / "models" / file, str(SHARED / "data" / data), inputs)


IMAGENET_UNITS = (
    "--input_scale=255",
    "--input_mean=.485,.456,.406",
    "--input_std=.229,.224,.225",
)
RESNET32_UNITS = ("--input_mean=125.307,122.95,113.865", "--input_std=62.9932,62.0887,66.7048")
NETWORKS = {
    "digits": Network(CARRIED / "digits.keras", "digits"),
    "resnet8": shared("resnet8_cifar10.h5", "cifar10_exact_dev.npz"),
    "resnet20": shared("resnet20_cifar10.keras", "cifar10_exact_dev.npz", *IMAGENET_UNITS),
    "resnet20_jpeg": shared("resnet20_cifar10_jpeg.keras", "cifar10_jpeg_dev.npz", *IMAGENET_UNITS),
    "resnet32": shared("resnet32_cifar10.h5", "cifar10_exact_dev.npz", *RESNET32_UNITS),
    "vgg8_jpeg": shared("vgg8_cifar10_jpeg.keras", "cifar10_jpeg_dev.npz"),
    "mobilenet": shared("mobilenet_v1_025_imagenet.h5", "imagenet_dev", "--input_scale=127.5", "--input_mean=1"),
    "mobilenet_vww": shared("mobilenet_v1_025_vww.h5", "coco100_96x96.npz", "--input_scale=255"),
    "ds_cnn": shared("ds_cnn_kws.h5", "kws_dev.npz"),
    "resnet8_on_jpeg": shared("resnet8_cifar10.h5", "cifar10_jpeg_dev.npz"),
    "resnet20_on_jpeg": shared("resnet20_cifar10.keras", "cifar10_jpeg_dev.npz", *IMAGENET_UNITS),
    "resnet32_on_jpeg": shared("resnet32_cifar10.h5", "cifar10_jpeg_dev.npz", *RESNET32_UNITS),
    "resnet8_float_tflite": shared("tflite/pretrainedResnet.tflite", "cifar10_exact_dev.npz"),
    "resnet8_int8_tflite": shared("tflite/pretrainedResnet_quant.tflite", "cifar10_exact_dev.npz"),
    "ds_cnn_float_tflite": shared("tflite/kws_ref_model_float32.tflite", "kws_dev.npz"),
    "ds_cnn_int8_tflite": shared("tflite/kws_ref_model.tflite", "kws_dev.npz"),
    "mobilenet_vww_int8_tflite": shared("tflite/vww_96_int8.tflite", "coco100_96x96.npz", "--input_scale=255"),
    **{f"digits_{r}": Network(MADE / f"{r}.keras", "digits", trained=(f"--regularize={r}",)) for r in REGIMES},
}


def present(names: Iterable[str]) -> Iterator[str]:
    """Those of the networks whose files are there; a line for each of the others."""
    for name in names:
        missing = NETWORKS[name].missing
        if missing is None:
            yield name
        else:
            print(f"left out: {name}, {missing.name} is not there", flush=True)


@dataclass(frozen=True, slots=True)
class Run:
    """One row: a name, the network, and the flags beside those of the network."""

    name: str
    network: str
    flags: tuple[str, ...]


BUDGETS = (0.7, 0.6, 0.5, 0.4, 0.3)
WHOLE_CURVE = (0.9, 0.8, 0.7, 0.6, 0.5)
STRUCTURES = ("unstructured", "filter", "channel", "block")
VARIANTS = (*(("hybrid", s) for s in STRUCTURES), *(("spars", s) for s in STRUCTURES), ("tucker", "auto"))


def curves() -> list[Run]:
    """Drop against the share of stored weights kept, default settings."""
    roomy = [(n, b) for n in ("resnet20_jpeg", "resnet20", "resnet32", "vgg8_jpeg") for b in BUDGETS]
    tight = [(n, b) for n in ("resnet8", "mobilenet", "ds_cnn") for b in WHOLE_CURVE]
    return [Run(f"{n} {b:.2f}", n, (f"--compression_factor={b}",)) for n, b in roomy + tight]


def bounds() -> list[Run]:
    """As little as a bounded loss allows, default settings."""
    networks = ("resnet20_jpeg", "vgg8_jpeg", "resnet20", "resnet32", "resnet8", "ds_cnn", "mobilenet")
    bound = "--method=fixed_loss"
    return [
        Run(f"{n} within {100 * b:.0f} %", n, (bound, f"--max_acc_loss={b}")) for n in networks for b in (0.02, 0.01)
    ]


def unlike() -> list[Run]:
    """Networks that were trained on exact pixels, on images that were compressed as JPEG."""
    networks = ("resnet8_on_jpeg", "resnet20_on_jpeg", "resnet32_on_jpeg")
    return [Run(f"{n} {b:.2f}", n, (f"--compression_factor={b}",)) for n in networks for b in (1.0, *BUDGETS)]


def four_bits() -> list[Run]:
    """The same curves where kernels may be stored in four bits."""
    budgets = {"resnet8": WHOLE_CURVE, "ds_cnn": WHOLE_CURVE, "mobilenet": (0.9, 0.7, 0.5)}
    networks = ("resnet20_jpeg", "vgg8_jpeg", *budgets)
    pairs = [(n, b) for n in networks for b in budgets.get(n, BUDGETS)]
    return [Run(f"{n} {b:.2f}", n, (f"--compression_factor={b}", "--weight_bits=4")) for n, b in pairs]


def matrix() -> list[Run]:
    """Every structure, compression type and method, on five networks."""
    rows = []
    for network in ("resnet8", "resnet20", "resnet32", "mobilenet", "ds_cnn"):
        for kind, structure in VARIANTS:
            for method in ("--method=fixed_params", "--method=fixed_loss"):
                bound = () if "params" in method else ("--max_acc_loss=0.02",)
                flags = (f"--compression_type={kind}", f"--pruning_structure={structure}", method, *bound)
                if method == "--method=fixed_params":
                    flags += ("--compression_factor=0.6",)
                rows.append(Run(f"{network} {kind} {structure} {method[9:]}", network, flags))
    return rows


TARGETED = ("resnet8", "resnet20", "resnet32", "mobilenet", "mobilenet_vww", "ds_cnn")
UNLABELLED = ("mobilenet_vww",)


def targets() -> list[Run]:
    """Every target on six networks: half of the stored weights, and as little as a bounded loss allows."""
    rows = []
    for network in TARGETED:
        for target in ("mobile", "xcore", "cortex_m", "ethos_u"):
            rows.append(Run(f"{network} {target} 0.5", network, (f"--target={target}", "--compression_factor=0.5")))
            if network not in UNLABELLED:
                bound = ("--method=fixed_loss", "--max_acc_loss=0.02")
                rows.append(Run(f"{network} {target} within 2 points", network, (f"--target={target}", *bound)))
    return rows


def tflite() -> list[Run]:
    """MLPerf Tiny's own files as input, float and int8: no BatchNorm is left in them to match inputs to."""
    networks = [name for name in NETWORKS if name.endswith("_tflite")]
    return [Run(f"{n} {b:.2f}", n, (f"--compression_factor={b}",)) for n in networks for b in (0.9, 0.7, 0.5)]


def quick() -> list[Run]:
    """The carried network alone."""
    return [Run(f"digits {b:.2f}", "digits", (f"--compression_factor={b}",)) for b in (0.7, 0.5, 0.35)]


def regimes() -> list[Run]:
    """The carried network after four ways of training."""
    budgets = (0.5, 0.35, 0.25, 0.15)
    return [Run(f"{r} {b:.2f}", f"digits_{r}", (f"--compression_factor={b}",)) for r in REGIMES for b in budgets]


SUITES: dict[str, Callable[[], list[Run]]] = {
    "quick": quick,
    "curves": curves,
    "bounds": bounds,
    "unlike": unlike,
    "four_bits": four_bits,
    "matrix": matrix,
    "regimes": regimes,
    "targets": targets,
    "tflite": tflite,
}
