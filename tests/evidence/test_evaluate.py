from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compiler.errors import BadInput
from compiler.evidence.evaluate import compare_scores, scores_of

X = np.arange(12.0).reshape(4, 3)


def twice(inputs: list[np.ndarray]) -> list[np.ndarray]:
    """A network of one input and one output."""
    assert [a.dtype for a in inputs] == [np.float32] * len(inputs)
    return [2 * inputs[0]]


def test_predict_is_the_network() -> None:
    def evaluate(predict: Any) -> float:
        np.testing.assert_array_equal(predict(X), 2 * X)
        np.testing.assert_array_equal(predict([X])[:2], 2 * X[:2])
        return 7

    scores, seen = scores_of(evaluate, twice)
    assert (float(scores), seen) == (7.0, 8)


def test_several_inputs_and_outputs_are_lists() -> None:
    def evaluate(predict: Any) -> float:
        a, b = predict([X, X + 1])
        return float(np.sum(b - a))

    scores, seen = scores_of(evaluate, lambda inputs: inputs)
    assert (float(scores), seen) == (12.0, 4)


def test_scores_of_examples_have_an_interval_and_a_lone_one_has_none() -> None:
    one = compare_scores(np.array(0.9), np.array(0.8), 50)
    assert (one.loss, one.interval, one.tier, one.examples) == (pytest.approx(0.1), None, "measured", 50)
    each = compare_scores(np.array([1.0, 2, 3]), np.array([1.0, 1, 1]), 3)
    assert each.loss == 1.0
    assert each.interval is not None
    assert each.interval[0] < 1.0 < each.interval[1]


def test_what_is_no_score_is_refused() -> None:
    for bad in (np.nan, np.zeros((2, 2)), []):
        with pytest.raises(BadInput, match="return one finite score"):
            scores_of(lambda predict, bad=bad: bad, twice)
    with pytest.raises(BadInput, match="score the same examples both times"):
        compare_scores(np.zeros(3), np.zeros(4), 4)
