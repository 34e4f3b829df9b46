"""A scale that is off by far is refused, one that is right never is."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.errors import BadInput
from compiler.evidence.check_range import check_span
from compiler.evidence.dataset import Dataset

RANDOM = np.random.default_rng(0)
PICTURES = RANDOM.integers(0, 256, (40, 8, 8, 3)).astype(np.uint8)
UNIT = RANDOM.uniform(0, 1, (60, 8, 8, 3)).astype(np.float32)
STANDARDISED = RANDOM.uniform(-2, 2.6, (60, 8, 8, 3)).astype(np.float32)
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@pytest.mark.parametrize(
    ("calibration", "scaling"),
    [
        (UNIT, {"scale": 255.0}),
        (UNIT, {"scale": 127.5, "mean": (1.0,)}),
        (STANDARDISED, {"scale": 255.0, **IMAGENET}),
        (255 * UNIT, {}),
        (RANDOM.normal(0.3, 0.3, (60, 8, 8, 1)), {"scale": 255.0}),  # as of a network whose scale was inferred
    ],
    ids=["0..1", "±1", "standardised", "0..255", "wide noise"],
)
def test_the_right_scale_passes(calibration: np.ndarray, scaling: dict) -> None:  # type: ignore[type-arg]
    check_span(Dataset((PICTURES,), None, "pictures", **scaling), [calibration], "--data")


def test_heavy_tails_pass() -> None:
    """Of keyword features the lowest lie four times as far out as synthetic ones do."""
    features = RANDOM.normal(0, 10, (200, 49, 10, 1)).astype(np.float32)
    features[::2, 0] = -123.0  # just over one value in a hundred
    features[0, 0, 0] = -1000.0
    check_span(Dataset((features,), None, "features"), [RANDOM.normal(0, 5.6, (60, 49, 10, 1))], "--data")


def test_few_bright_pixels_pass() -> None:
    sparse = np.zeros((50, 28, 28, 1), np.float32)
    sparse[:, 14, 14] = 1.0
    check_span(Dataset((sparse,), None, "dots"), [UNIT], "--data")


@pytest.mark.parametrize(
    ("x", "calibration", "spans"),
    [
        (PICTURES, UNIT, ("0 to 255", "0 to 1")),
        (PICTURES, STANDARDISED, ("0 to 255", "-2 to 2.6")),
        (PICTURES // 16, UNIT, ("0 to 15", "0 to 1")),
        (UNIT, 255.0 * UNIT, ("0 to 1", "0 to 255")),
        (UNIT - 500, UNIT, ("-500 to -499", "0 to 1")),
    ],
)
def test_the_wrong_scale_is_refused(x: np.ndarray, calibration: np.ndarray, spans: tuple[str, str]) -> None:
    calibration = np.clip(np.round(calibration, 1), -2, 255)
    with pytest.raises(BadInput) as refused:
        check_span(Dataset((np.round(x),), None, "val.npz"), [calibration], "--data")
    seen, expected = spans
    assert str(refused.value) == (
        f"--data val.npz feeds the network values from {seen}, where the inputs that it is calibrated on span "
        f"{expected}; set --input_scale, --input_mean and --input_std as in training, or give --input_range "
        f"{seen.replace(' to ', ',')} if these values are right."
    )
