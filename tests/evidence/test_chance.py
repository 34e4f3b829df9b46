from __future__ import annotations

import numpy as np
import pytest

from compiler.evidence.chance import knows_little

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 10, 500)


def partly(share: float, labels: np.ndarray = LABELS) -> np.ndarray:
    """Answers that know `share` of the labels, and deal out the rest."""
    return np.where(RNG.random(len(labels)) < share, labels, RNG.permutation(labels))


@pytest.mark.parametrize(("share", "little"), [(0.0, True), (0.04, True), (0.3, False), (1.0, False)])
def test_what_is_known_of_the_labels_counts(share: float, little: bool) -> None:
    assert knows_little(partly(share), LABELS) is little


def test_answers_that_are_numbered_otherwise_know_nothing() -> None:
    assert knows_little((LABELS + 1) % 10, LABELS)


def test_one_answer_to_everything_knows_nothing_however_often_it_is_right() -> None:
    rare = (RNG.random(20_000) < 0.05).astype(int)
    assert knows_little(np.zeros(20_000, int), rare)
    found = np.where(rare == 1, 1, (RNG.random(20_000) < 0.06).astype(int))  # right less often, but it knows something
    assert np.mean(found == rare) < np.mean(rare == 0)
    assert not knows_little(found, rare)


def test_few_examples_accuse_nobody() -> None:
    """A poor network, or a rare class, on few examples looks like chance and need not be it."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        labels = (np.arange(100) < 2).astype(int)
        poor = np.where(rng.random(100) < np.where(labels, 0.7, 0.95), labels, 1 - labels)
        assert not knows_little(poor, labels)
        pair = rng.integers(0, 2, 100)
        assert not knows_little(np.where(rng.random(100) < 0.6, pair, 1 - pair), pair)
    assert not knows_little(LABELS[:3], (LABELS[:3] + 1) % 10)


def test_labels_of_one_class_can_not_tell() -> None:
    assert not knows_little(LABELS, np.zeros(500, int))
