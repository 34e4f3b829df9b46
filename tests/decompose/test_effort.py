"""The larger a product with the metric, the fewer of them."""

from __future__ import annotations

import math
from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest

from compiler.decompose.effort import LEVELS, Effort, effort_of
from compiler.decompose.metric import Metric
from compiler.decompose.row_covariance import RowCovariance


def amount(effort: Effort, name: str) -> float:
    value = getattr(effort, name)
    if name in ("cp_steps", "cp_last_steps"):
        return math.prod(value)
    return len(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("name", [f.name for f in fields(Effort)])
def test_no_level_does_more_than_the_one_before(name: str) -> None:
    amounts = [amount(effort, name) for _, effort in LEVELS[:-1]]
    assert all(more >= less for more, less in pairwise(amounts))
    assert amounts[0] > amounts[-1]


def test_the_size_of_a_product_decides() -> None:
    assert effort_of(Metric(np.eye(100), np.eye(10))) == LEVELS[0][1]
    rows = RowCovariance(np.zeros((200, 30_000), np.float32), 1.0)
    assert effort_of(Metric(rows, np.eye(6))) == LEVELS[1][1]
    assert effort_of(Metric(np.eye(100), np.eye(3000))) == LEVELS[2][1]
    assert effort_of(Metric(rows, np.eye(4096, dtype=np.float32))).densities == ()
