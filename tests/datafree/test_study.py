"""What teaches and what judges: a fifth is held out, and never nothing."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.datafree.study import divided


@pytest.mark.parametrize(("count", "taught"), [(2, 1), (3, 2), (5, 4), (100, 80)])
def test_some_are_held_out(count: int, taught: int) -> None:
    inputs = [np.arange(count), np.arange(count) + 7]
    teaching, held_out = divided(inputs)
    assert [len(part) for part in teaching] == [taught, taught]
    for part, a, b in zip(inputs, teaching, held_out, strict=True):
        np.testing.assert_array_equal(np.concatenate([a, b]), part)


def test_a_lone_one_does_both() -> None:
    teaching, held_out = divided([np.array([3])])
    assert (teaching[0].tolist(), held_out[0].tolist()) == ([3], [3])
