"""The steps that a kernel is made of, from its weights alone: the widest of which all weights are whole ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.decompose.whole_steps import whole_steps
from tests.decompose.cases import seeds


@given(st.integers(1, 6), st.integers(1, 6), seeds, st.integers(1, 7))
@settings(max_examples=100, deadline=None)
def test_steps_come_back_as_wide_as_they_can_be(d: int, c: int, seed: int, largest: int) -> None:
    """Of 0, 2 and 4 steps the widest is two: their common divisor."""
    random = np.random.default_rng(seed)
    steps = random.integers(-largest, largest + 1, size=(d, c))
    scale = 10 ** random.uniform(-4, 4, size=c)
    divisor = np.gcd.reduce(steps, axis=0)
    found = whole_steps((steps * scale).astype(np.float32))
    assert found is not None
    np.testing.assert_allclose(found, np.where(divisor > 0, divisor * scale, 1), rtol=1e-6)


@given(st.integers(-6, 5), st.floats(0.01, 0.99), seeds)
def test_one_weight_between_two_steps_is_enough_to_be_none(below: int, more: float, seed: int) -> None:
    steps = np.random.default_rng(seed).integers(-7, 8, size=(9, 4)).astype(np.float64)
    steps[:2] = [[7], [1]]
    assert whole_steps(0.3 * steps) is not None
    steps[5, 2] = below + more
    assert whole_steps(0.3 * steps) is None


def test_eight_steps_are_more_than_few_bits_have() -> None:
    assert whole_steps(np.array([[8.0], [1.0]])) is None
    assert whole_steps(np.array([[8.0], [2.0]])) == pytest.approx([2.0])


def test_a_hair_is_no_part_of_a_step() -> None:
    """By which the converter is made to round alike (`on_few_bits`)."""
    assert whole_steps(np.array([[6.0], [3.0 * (1 + 2.0**-12)], [1.0]])) == pytest.approx([1.0])
