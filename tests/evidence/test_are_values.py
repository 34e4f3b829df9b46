from __future__ import annotations

import numpy as np
import pytest

from compiler.evidence.are_values import are_values

CLASSES = np.array([0, 2, 1, 2])


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (CLASSES, False),
        (CLASSES.astype(float), False),
        (CLASSES[:, None], False),
        (np.eye(3)[CLASSES], False),
        (np.eye(3)[CLASSES].astype(bool), False),
        (np.eye(3)[CLASSES][:, None], False),
        (CLASSES + 0.5, True),
        (CLASSES[:, None] + 0.5, True),
        (np.eye(3)[CLASSES] + [1.0, 0.0, 0.0], True),
        (0.9 * np.eye(3)[CLASSES], True),
        (np.zeros((4, 2)), True),
        (np.arange(8).reshape(4, 2), True),
        (np.array([0.5, np.nan]), False),
        (np.array([1.0, np.inf]), False),
        (CLASSES.astype(str), False),
        (np.array(0.5), False),
    ],
)
def test_quantities_are_told_from_classes(labels: np.ndarray, expected: bool) -> None:
    assert are_values(labels) is expected
