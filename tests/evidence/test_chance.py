from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from compiler.evidence.chance import FEWEST, LEVEL, chance_p_value, is_chance

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 10, 500)


def test_right_answers_are_no_chance() -> None:
    some = np.where(RNG.random(500) < 0.1, LABELS, RNG.integers(0, 10, 500))  # 19 % right of ten classes
    assert not is_chance(chance_p_value(LABELS, LABELS))
    assert not is_chance(chance_p_value(some, LABELS))


def test_one_answer_to_everything_is_chance_however_often_it_is_right() -> None:
    rare = (RNG.random(500) < 0.05).astype(int)
    assert is_chance(chance_p_value(np.zeros(500, int), rare))
    found = np.where(rare == 1, 1, (RNG.random(500) < 0.06).astype(int))  # right less often, but it knows something
    assert np.mean(found == rare) < np.mean(rare == 0)
    assert not is_chance(chance_p_value(found, rare))


def test_answers_that_are_numbered_otherwise_are_chance() -> None:
    assert is_chance(chance_p_value((LABELS + 1) % 10, LABELS))


def test_few_examples_and_labels_of_one_class_tell_nothing() -> None:
    assert chance_p_value(LABELS[: FEWEST - 1], LABELS[: FEWEST - 1]) is None
    assert chance_p_value(LABELS[:FEWEST], LABELS[:FEWEST]) is not None
    assert chance_p_value(LABELS, np.zeros(500, int)) is None
    assert not is_chance(None)


@given(st.integers(0, 2**31), st.integers(2, 6))
def test_random_answers_pass_as_often_as_the_level_says(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    p_values = [chance_p_value(rng.integers(0, classes, 40), rng.integers(0, classes, 40)) for _ in range(20)]
    assert all(p is not None and 0 < p <= 1 for p in p_values)
    assert np.mean([not is_chance(p) for p in p_values]) <= LEVEL + 0.25  # of 20: five more than expected
