"""Shared by all tests: where the real networks and data lie, if they are here, and loaders that must not be called."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import hypothesis
import pytest

from compiler.result import (
    Evidence,
    OnTarget,
    Provenance,
    Result,
    StoredFigures,
    TargetFigures,
    TargetRun,
    Verification,
    report_left,
    report_site,
)
from compiler.types import DENSE, Choice, ConvSite, Cost, LeftAlone

# Before TensorFlow is imported by any test: two workers on two cores, and no chatter.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

# The same examples on every run, so that a red test is a changed program; `search` looks for new ones.
hypothesis.settings.register_profile("repeat", derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile("search", deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the plans of tests/golden anew")


def pytest_configure(config: pytest.Config) -> None:
    """A cache of synthetic inputs for this session alone, which its workers share."""
    if not hasattr(config, "workerinput"):
        folder = tempfile.mkdtemp(prefix="test-cache-")
        os.environ["XDG_CACHE_HOME"] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real networks (`models/`) and data (`data/`), beside the repository; skips where it is not."""
    if not (SHARED / "models").is_dir():
        pytest.skip("needs the real networks of ../shared, which are not part of the repository")
    return SHARED


@pytest.fixture
def poisoned_loaders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way to a data set raises: what runs under this fixture is data-free."""

    def poison(*args: object, **kwargs: object) -> object:
        raise AssertionError("the data-free path loaded a data set")

    for name in ("sklearn", "sklearn.datasets", "tensorflow_datasets"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it raises ImportError
    import PIL.Image  # the report's plots need the package, but nothing may read a picture

    monkeypatch.setattr(PIL.Image, "open", poison)
    import compiler.evidence.load_data as load_data

    monkeypatch.setattr(load_data, "load_data", poison)
    monkeypatch.setattr(load_data, "_read", poison)
    import keras

    for name in ("cifar10", "cifar100", "mnist", "fashion_mnist"):
        monkeypatch.setattr(getattr(keras.datasets, name), "load_data", poison)


@pytest.fixture
def result() -> Result:
    """A finished run as the pipeline describes it: one layer of each kind."""
    conv = ConvSite("conv1", "conv", (3, 3), 16, 32, positions=64)
    dense = ConvSite("logits", "dense", (1, 1), 64, 10)
    hybrid = Choice("tucker2", (8, 9), "block", (4, 4), 6)
    return Result(
        input_path="net.keras",
        output_path="out/net.tflite",
        method="fixed_params",
        budget="params",
        target="mobile",
        io="int8",
        original=StoredFigures(5_000, 6_000, 9_000, 300_000),
        compressed=StoredFigures(2_400, 2_970, 5_500, 150_000),
        layers=(
            report_site(conv, hybrid, Cost(4_736, 5_000, 294_912), Cost(1_800, 2_500, 147_456), 0.0123),
            report_site(dense, DENSE, Cost(680, 700, 640), Cost(680, 700, 640), 0.0),
            report_left(LeftAlone("dw", "DepthwiseConv2D", 144, "each filter sees one channel")),
        ),
        evidence=Evidence(
            tier="measured",
            metric="accuracy",
            loss=0.0125,
            examples=240,
            source="the report half of val.npz",
            original=0.9125,
            compressed=0.9,
            interval=(-0.005, 0.03),
            interval_method="Tango's paired score, 95 %",
            p_value=0.12,
        ),
        verification=Verification(
            "LiteRT 2.3.0", 64, "synthetic inputs", 23.14, 0.984, (("CONV_2D", 4), ("ADD", 1)), 15.2, 0.953
        ),
        provenance=Provenance(
            versions=(("tensorflow", "2.21.0"), ("keras", "3.15.1")),
            seed=7,
            model_hash="abcdef0123456789",
            calibration_source="256 synthetic inputs",
            calibration_hash="0123456789abcdef",
            gates=(("refit", True), ("correct_bias", False)),
            settings=(("block_size", "4,4"),),
            seconds=12.3,
            peak_memory_bytes=2**30,
        ),
        asked_factor=0.5,
        predicted_loss=0.0123,
        on_target=OnTarget(
            "LiteRT 2.3.0",
            True,
            64,
            TargetRun(TargetFigures(9_000, 6_000, 4_096, "estimate", 300_000, 0.134, "ms", "measured"), 3, 0.98, 31.5),
            TargetRun(TargetFigures(5_500, 2_970, 4_096, "estimate", 150_000, 0.1, "ms", "measured"), 2, 1.0, 33.0),
        ),
        original_int8=0.9083,
        notes=("The network has no BatchNorm; inputs are noise.",),
    )
