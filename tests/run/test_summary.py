"""What a report adds to its figures."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from compiler.backend.targets import TARGETS
from compiler.options import Options
from compiler.result import Evidence
from compiler.run.summary import taken_for, way_out

LOST = Evidence("measured", "accuracy", 0.08, 100, "val")


def session(**given: Any) -> Any:
    options = Options(input_path=Path("net.keras"), output_path=Path("net.tflite"), **given)
    return SimpleNamespace(options=options, target=TARGETS[options.target])


def test_four_bits_are_the_way_out_where_much_is_lost() -> None:
    (hint,) = way_out(session(target="mobile"), LOST)
    assert "--weight_bits 4" in hint
    assert not way_out(session(target="mobile"), Evidence("measured", "accuracy", 0.01, 100, "val"))
    assert not way_out(session(target="mobile", weight_bits=8), LOST)


@pytest.mark.parametrize("target", ["xcore", "cortex_m", "ethos_u", "c"])
def test_they_are_none_where_they_are_refused_or_offered_by_themselves(target: str) -> None:
    assert not way_out(session(target=target), LOST)


def network(*, classifier: bool, softmax: bool, y: np.ndarray | None, score: Any = None) -> Any:
    return SimpleNamespace(
        network=SimpleNamespace(classifier=classifier, ends_in_probabilities=softmax),
        examples=SimpleNamespace(data=SimpleNamespace(y=y), classifier=classifier, score=score),
        evaluate=None,
    )


def test_what_outputs_are_taken_for_is_said_where_nothing_tells() -> None:
    y = np.zeros(4)
    (guess,) = taken_for(network(classifier=True, softmax=False, y=None))
    assert guess.startswith("without a softmax or labels the outputs are taken for classes")
    assert not taken_for(network(classifier=True, softmax=False, y=y))
    assert not taken_for(network(classifier=True, softmax=True, y=None))
    (unread,) = taken_for(network(classifier=False, softmax=False, y=y))
    assert "the labels are not read" in unread
    assert not taken_for(network(classifier=False, softmax=False, y=None))
    assert not taken_for(network(classifier=False, softmax=False, y=y, score=len))
