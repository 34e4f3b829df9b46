from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.evidence.split import split


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 3))
def test_halves_share_out_each_class(labels: list[int], seed: int) -> None:
    y = np.array(labels)
    search, report = split(len(y), y, seed)
    assert sorted([*search, *report]) == list(range(len(y)))
    assert len(search) - len(report) in (0, 1)
    for c in range(5):
        assert abs(np.sum(y[search] == c) - np.sum(y[report] == c)) <= 1


def test_halves_repeat_and_depend_on_the_seed() -> None:
    y = np.arange(100) % 10
    first, again, other = split(100, y, 0)[0], split(100, y, 0)[0], split(100, y, 1)[0]
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_halves_mix_an_ordered_set() -> None:
    search, report = split(1000)
    assert abs(search.mean() - report.mean()) < 60
    assert not np.array_equal(np.sort(search), np.arange(0, 1000, 2))


def test_labels_must_match() -> None:
    with pytest.raises(ValueError, match="3 labels for 4"):
        split(4, np.zeros(3))
