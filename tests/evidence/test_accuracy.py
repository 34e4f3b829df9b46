from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.evidence.accuracy import accuracy, disagreement, output_errors, relative_output_error, top1

BEFORE = np.array([[0.1, 0.9], [0.8, 0.2], [0.5, 0.5], [0.3, 0.7]])
AFTER = np.array([[0.2, 0.8], [0.4, 0.6], [0.5, 0.5], [0.3, 0.7]])


def test_counts() -> None:
    assert list(top1(BEFORE)) == list(top1(BEFORE[:, None, None, :])) == [1, 0, 0, 1]
    assert accuracy(BEFORE, np.array([1, 0, 1, 0])) == 0.5
    assert disagreement(BEFORE, AFTER) == 0.25


def test_a_map_is_no_answer() -> None:
    with pytest.raises(ValueError, match=r"\(n, classes\)"):
        top1(np.zeros((2, 4, 4, 3)))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_disagreement_bounds_the_loss_of_accuracy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, after = rng.normal(size=(30, 4)), rng.normal(size=(30, 4))
    labels = rng.integers(0, 4, 30)
    assert abs(accuracy(before, labels) - accuracy(after, labels)) <= disagreement(before, after) + 1e-12


def test_relative_error_is_the_norm_of_the_change() -> None:
    z = np.array([[3.0, 4.0]])
    assert relative_output_error((z,), (z * 1.1,)) == pytest.approx(0.1)
    errors, signals = output_errors((z,), (z * 1.1,))
    assert errors.shape == signals.shape == (1,)


def test_outputs_of_other_units_count_alike() -> None:
    rng = np.random.default_rng(0)
    shares, pixels = rng.normal(size=(50, 3)), rng.normal(size=(50, 4)) * 1000
    error = relative_output_error((shares, pixels), (shares * 1.2, pixels))
    assert error == pytest.approx(0.2 / math.sqrt(2))


def test_a_changed_silent_output_is_an_infinite_error() -> None:
    zero = (np.zeros((2, 3)),)
    assert relative_output_error(zero, zero) == 0
    assert relative_output_error(zero, (np.ones((2, 3)),)) == math.inf
