"""Rounds of two files in turn: the order, the ratio round by round, and what a burst of load does to it."""

from __future__ import annotations

import numpy as np
import pytest

import compiler.backend.targets.time_in_turn as module
from compiler.backend.targets.time_in_turn import ROUNDS, ratio_of, time_in_turn


def test_every_other_round_runs_in_reverse(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load that grows with every call is the same to both files."""
    calls: list[str] = []

    def mean_ms(interpreter: str, repeats: int) -> float:
        calls.append(interpreter)
        return float(len(calls))

    monkeypatch.setattr(module, "load", lambda tflite, sample: tflite.decode())
    monkeypatch.setattr(module, "mean_ms", mean_ms)
    rounds = time_in_turn([(b"a", ()), (b"b", ())])
    assert rounds.shape == (ROUNDS, 2)
    assert "".join(calls[2:10]) == "abbaabba"
    assert ratio_of(rounds).median == pytest.approx(1, abs=0.05)
    assert ratio_of(rounds).low < 1 < ratio_of(rounds).high


def test_load_that_meets_both_files_is_no_spread() -> None:
    """Twenty times the time in half of the rounds: the ratio of medians means nothing, that of each round does."""
    load = np.where(np.arange(21) % 2, 20.0, 1.0)
    ratio = ratio_of(np.stack([load, 0.8 * load], axis=1))
    assert (ratio.median, ratio.low, ratio.high, ratio.rounds) == pytest.approx((0.8, 0.8, 0.8, 21))


def test_a_burst_in_two_rounds_is_no_spread_and_in_many_it_is() -> None:
    rounds = np.ones((21, 2))
    rounds[:2, 1] = 20
    assert not ratio_of(rounds).is_noisy
    rounds[:8, 1] = 20
    assert ratio_of(rounds).is_noisy
    assert not ratio_of(rounds).is_slower
    rounds[:, 1] = 20
    assert ratio_of(rounds).is_slower


def test_waiting_for_a_core_is_not_the_network_s_time() -> None:
    if module.time.get_clock_info("thread_time").resolution > module.FINE:
        pytest.skip("this system does not count a thread's time finely")

    class Waits:
        def invoke(self) -> None:
            module.time.sleep(0.02)

    assert module.mean_ms(Waits(), 1) < 10
