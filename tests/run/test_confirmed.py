"""Plans on the half of the examples that their search did not use."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.errors import Infeasible
from compiler.evidence.judge import judge
from compiler.result import Evidence
from compiler.run.confirmed import REFINEMENTS, confirmed, refuted
from compiler.solver.fixed_loss import RESOLUTION, Tried


def tried(factor: float, tflite: bytes) -> Tried[Any]:
    return Tried(factor, SimpleNamespace(emitted=SimpleNamespace(tflite=tflite)), 0.01)


def session(losses: dict[bytes, tuple[float, float]], *, halves: object = ()) -> Any:
    """One that measures what it is told, by file: (loss, least that it may be)."""

    def measure(tflite: bytes, part: str) -> Evidence:
        assert part == "report"
        loss, least = losses[tflite]
        return Evidence("measured", "accuracy", loss, 100, "half", interval=(least, 2 * loss - least))

    return SimpleNamespace(
        options=SimpleNamespace(max_acc_loss=0.02), examples=SimpleNamespace(halves=halves), measure=measure
    )


def no_other(factor: float) -> Any:
    raise AssertionError("nothing was to be made")


ATTEMPTS = [tried(0.9, b"large"), tried(0.5, b"middle"), tried(0.3, b"small")]


def test_the_smallest_that_keeps_the_bound_on_both_halves_is_taken() -> None:
    found = confirmed(session({b"small": (0.02, 0.01)}), ATTEMPTS, no_other)
    assert found.built.emitted.tflite == b"small"
    assert (found.search_loss, found.notes) == (0.01, ())


class Network:
    """Losses as functions of the factor, on both halves; makes plans whose file is their factor."""

    def __init__(self, least_searched: float, least_reported: float) -> None:
        self.least_searched, self.asked = least_searched, []  # type: ignore[var-annotated]
        self.session = SimpleNamespace(
            options=SimpleNamespace(max_acc_loss=0.02), examples=SimpleNamespace(halves=()), measure=self.measure
        )
        self.least_reported = least_reported

    def measure(self, tflite: bytes, part: str) -> Evidence:
        loss = 0.01 if float(tflite) >= self.least_reported else 0.025
        return Evidence("measured", "accuracy", loss, 100, part, interval=(0.0, 0.05))

    def __call__(self, factor: float) -> Any:
        self.asked.append(factor)
        return tried(factor, str(factor).encode()).attempt, 0.01 if factor >= self.least_searched else 0.03


@given(least=st.floats(0.3, 0.5, exclude_min=True), searched=st.floats(0.3, 0.5))
def test_behind_a_step_back_the_gap_is_halved(least: float, searched: float) -> None:
    network = Network(searched, least)
    accepted = [tried(0.5, b"0.5"), tried(0.3, b"0.3")]
    found = confirmed(network.session, accepted, network)  # type: ignore[arg-type]
    taken = float(found.built.emitted.tflite)
    assert max(least, searched) <= taken <= max(least, searched) + max(0.2 / 2**REFINEMENTS, RESOLUTION) + 1e-9
    assert found.evidence.loss <= 0.02
    assert len(network.asked) <= REFINEMENTS
    (note,) = found.notes
    assert note.startswith("smaller plans lost more than the bound on the report half")


def test_a_larger_plan_than_the_original_may_be_the_whole_network() -> None:
    """Where biases that the original stores once fill up: the dense plan keeps 1.05."""
    network = Network(0.0, 1.02)
    confirmed(network.session, [tried(1.0, b"1.0")], network, 1.05)  # type: ignore[arg-type]
    assert network.asked[0] == pytest.approx(1.025)


def larger(asked: list[float], loss: float) -> Any:
    """Makes the network that lies halfway to the whole one, and measures it on the search half."""

    def attempt(factor: float) -> Any:
        asked.append(factor)
        return tried(factor, b"new").attempt, loss

    return attempt


def test_where_none_does_a_larger_one_is_made() -> None:
    asked: list[float] = []
    losses = {b"small": (0.03, 0.0), b"middle": (0.025, 0.0), b"large": (0.022, 0.0), b"new": (0.01, 0.0)}
    found = confirmed(session(losses), ATTEMPTS, larger(asked, 0.015))
    assert (found.built.emitted.tflite, found.search_loss, asked[0]) == (b"new", 0.015, pytest.approx(0.95))
    assert all(0.9 < factor <= 0.95 for factor in asked)
    # It has to be within the bound on the search half, too.
    found = confirmed(session(losses), ATTEMPTS, larger(asked, 0.021))
    assert found.built.emitted.tflite == b"large"


def test_a_loss_above_the_bound_by_chance_is_kept_and_said() -> None:
    """Of those, the one that loses least; the smallest may well have been refuted."""
    losses = {b"small": (0.05, 0.03), b"middle": (0.022, 0.0), b"large": (0.023, 0.0), b"new": (0.024, 0.0)}
    found = confirmed(session(losses), ATTEMPTS, larger([], 0.01))
    assert found.built.emitted.tflite == b"middle"
    (note,) = found.notes
    assert "every plan lost more than the bound; what this one does, chance explains" in note


def test_where_chance_does_not_explain_it_nothing_is_written() -> None:
    losses = {b"small": (0.05, 0.03), b"middle": (0.04, 0.025), b"large": (0.04, 0.022), b"new": (0.03, 0.021)}
    with pytest.raises(Infeasible, match=r"--max_acc_loss 0.02 was met on the half .* not on the other, nor by any"):
        confirmed(session(losses), ATTEMPTS, larger([], 0.01))


@pytest.mark.parametrize("factor", [0.5, 1.0])
def test_nowhere_to_step_back_to(factor: float) -> None:
    def attempt(larger: float) -> Any:
        assert factor < larger < 1
        raise Infeasible("no file keeps the limits")

    with pytest.raises(Infeasible, match=r"met on the half that the search used but not on the other; give more --dat"):
        confirmed(session({b"only": (0.04, 0.03)}), [tried(factor, b"only")], attempt)


@pytest.mark.parametrize(("changed", "is_refuted"), [(1, False), (3, False), (6, False), (7, True), (30, True)])
def test_unlabelled_examples_refute_with_all_of_their_interval(changed: int, is_refuted: bool) -> None:
    """6 of 100 may be a share of 2.2 %, 7 of 100 is 2.9 % at least; asked are 2.5 %."""
    before = np.eye(3)[np.zeros(100, int)]
    after = np.eye(3)[(np.arange(100) < changed).astype(int)]
    evidence = judge((before,), (after,), classifier=True, source="photos")
    assert evidence.tier == "bounded"
    assert refuted(evidence, 0.025) == is_refuted


def test_a_score_without_an_interval_refutes_as_it_is() -> None:
    score = Evidence("measured", "score", 0.03, 100, "evaluate=")
    assert refuted(score, 0.02)
    assert not refuted(score, 0.03)


def test_without_halves_there_is_nothing_to_refute() -> None:
    found = confirmed(session({b"small": (0.5, 0.6)}, halves=None), ATTEMPTS, no_other)
    assert found.built.emitted.tflite == b"small"
