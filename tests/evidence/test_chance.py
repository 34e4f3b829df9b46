from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from compiler.evidence.chance import FEWEST, LEVEL, chance_p_value, is_chance, kappa, knows_little

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


def test_hardly_better_than_chance_is_no_baseline_either() -> None:
    hardly = np.where(RNG.random(500) < 0.06, LABELS, RNG.permutation(LABELS))
    poor = np.where(RNG.random(500) < 0.3, LABELS, RNG.permutation(LABELS))
    assert knows_little(hardly, LABELS)
    assert not knows_little(poor, LABELS)
    assert not knows_little(LABELS[:5], (LABELS[:5] + 1) % 10)  # too few to tell


def test_kappa_is_that_of_the_definition() -> None:
    assert kappa(LABELS, LABELS) == 1
    assert kappa(np.zeros(8), np.zeros(8)) == 1
    answers, labels = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    assert kappa(answers, labels) == 0.5  # 3 of 4 agree, 1 of 2 by chance
