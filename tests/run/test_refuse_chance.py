"""A bound on the loss is refused where the original answers by chance."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from compiler.errors import BadInput
from compiler.evidence.dataset import Dataset
from compiler.run.examples import Examples
from compiler.run.refuse_chance import LOOKED_AT, refuse_chance

N = 2 * LOOKED_AT + 100
X = np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32)
RIGHT = X.argmax(1)
HALVES = (np.arange(N // 2), np.arange(N // 2, N))


def identity() -> Any:
    """A network that answers with its largest input."""
    x = keras.Input((3,))
    return SimpleNamespace(normal=keras.Model(x, keras.layers.Activation("linear")(x)))


def examples(labels: np.ndarray | None, **given: Any) -> Examples:
    return Examples(Dataset((X,), labels, "val"), **{"classifier": True, "score": None, "halves": HALVES} | given)


def test_labels_that_are_numbered_otherwise_are_refused() -> None:
    with pytest.raises(BadInput, match=r"right on 0 of 1,000 examples of --data val, hardly better than chance; set"):
        refuse_chance(examples((RIGHT + 1) % 3), identity())
    refuse_chance(examples(RIGHT), identity())


def test_only_the_search_half_is_looked_at() -> None:
    second = RIGHT.copy()
    second[HALVES[1]] = (second[HALVES[1]] + 1) % 3
    refuse_chance(examples(second), identity())


def test_nothing_else_has_a_chance_to_be_at() -> None:
    wrong = (RIGHT + 1) % 3
    for other in (
        examples(wrong, halves=None),
        examples(wrong, classifier=False),
        examples(wrong, score=lambda outputs, y: outputs[:, 0]),
        examples(None),
    ):
        refuse_chance(other, identity())
