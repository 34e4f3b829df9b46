"""A budget holds in the file: where prices are too low, they are given a wider berth until it does."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from compiler.errors import Infeasible
from compiler.result import TargetFigures
from compiler.run.attempt import NO_ERRORS, Attempts, Granted, share
from compiler.solver.fixed_params import Solution
from compiler.solver.limits import Limits


@dataclass(frozen=True, eq=False)
class Priced(Attempts):
    """Plans are as large as is granted, files larger than their plans by an error."""

    granted: list[float] = field(default_factory=list)

    def solve(self, granted: float, factor: float, errors: Any) -> tuple[Solution, Any]:
        self.granted.append(granted)
        return Solution((), (), granted), Granted(NO_ERRORS)

    def excess(self, emitted: Any, limits: Any) -> None:
        return None


def attempts(errors: list[float], kind: type[Priced] = Priced) -> tuple[Priced, list[float]]:
    """The attempts, and a list of what is granted to each."""
    granted: list[float] = []

    def build(choices: object, losses: object, predicted_loss: object) -> Any:
        kept = granted[-1] + errors[len(granted) - 1]
        return SimpleNamespace(emitted=SimpleNamespace(tflite=b"%d" % len(granted), figures=figures(kept)))

    options = SimpleNamespace(method="fixed_params")
    session = SimpleNamespace(original=SimpleNamespace(figures=figures(1.0)), build=build, options=options)
    return kind(session, {}, "params", granted=granted), granted  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Least(Priced):
    """No plan is as small as 0.3."""

    def solve(self, granted: float, factor: float, errors: Any) -> tuple[Solution, Any]:
        if granted < 0.3:
            raise Infeasible(f"--compression_factor {granted:.4g} can't be met")
        return super().solve(granted, factor, errors)


def test_a_refusal_names_what_was_asked_and_what_the_file_keeps() -> None:
    found, granted = attempts([0.0024, 0.0024], Least)
    with pytest.raises(Infeasible, match=r"factor 0\.301 can't be met: .* keeps 0\.3028; ask for that or more"):
        found(0.301)
    assert len(granted) == 2
    with pytest.raises(Infeasible, match=r"factor 0\.2 can't be met$"):
        found(0.2)


def figures(kept: float) -> Any:
    return SimpleNamespace(stored_weight_bytes=1e6 * kept)


@pytest.mark.parametrize(
    "errors", [[0.0], [0.003, 0.003], [0.001, 0.0015, 0.0015], [2e-4, 4e-4, 6e-4, 8e-4, 10e-4, 12e-4], [-0.01]]
)
def test_a_file_never_keeps_more_than_was_asked_for(errors: list[float]) -> None:
    """Also where each plan's prices are off by more than those of the plan before."""
    found, granted = attempts(errors)
    built = found(0.5)
    assert share(built.emitted, found.original, "params") <= 0.5
    assert len(granted) <= len(errors)
    assert granted == sorted(granted, reverse=True)
    assert min(granted) >= 0.49


def test_prices_that_are_far_too_low_ask_for_one_berth_and_not_for_two() -> None:
    found, granted = attempts([0.105, 0.111, 0.111])
    assert 0.48 < share(found(0.5).emitted, found.original, "params") <= 0.5
    assert len(granted) == 3


def test_a_berth_that_leaves_no_plan_is_made_narrower() -> None:
    found, granted = attempts([0.06, 0.0, 0.0, 0.0], Least)  # 0.28 is too little, 0.34 was too much
    assert 0.3 <= share(found(0.34).emitted, found.original, "params") <= 0.34
    assert granted[:2] == pytest.approx([0.34, 0.31], abs=1e-3)


@pytest.mark.parametrize(
    "errors",
    [
        [-0.08, -0.08],  # priced too high: so much more is granted
        [-0.08, 0.0, -0.04],  # and then too low
        [0.05, 0.0, 0.004, 0.0, 0.0],  # priced too low once: between the two
    ],
)
def test_a_budget_is_used(errors: list[float]) -> None:
    found, granted = attempts(errors)
    kept = share(found(0.5).emitted, found.original, "params")
    assert 0.48 < kept <= 0.5
    assert len(granted) == len(errors)


def test_the_largest_file_that_keeps_the_budget_is_taken() -> None:
    found, granted = attempts([-0.1, 0.05, 0.05, 0.05, -0.2])  # the last is within, and smaller than the first
    assert share(found(0.5).emitted, found.original, "params") == pytest.approx(0.4)
    assert len(granted) == 5


def test_where_nothing_larger_is_on_offer_nothing_is_tried_again() -> None:
    @dataclass(frozen=True, eq=False)
    class Coarse(Priced):
        def solve(self, granted: float, factor: float, errors: Any) -> tuple[Solution, Any]:
            _, given = super().solve(granted, factor, errors)
            return Solution((), (), 0.4), given

    found, granted = attempts([-0.15], Coarse)  # and the file is smaller than its plan
    found(0.5)
    assert granted == [0.5]


@pytest.mark.parametrize(
    ("strict", "kept", "price"),
    [(1.9, 82_208, None), (2.2, None, 2.2), (None, None, None)],
    ids=["worth it", "too dear", "impossible"],
)
def test_a_wish_is_kept_where_it_is_worth_its_price(
    strict: float | None, kept: int | None, price: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss of the best plan without a limit is 1."""

    def solve(*given: Any) -> Solution:
        if given[-1].limits.arena_bytes is None:
            return Solution((), (1.0,), 0.5)
        if strict is None:
            raise Infeasible("none")
        return Solution((), (strict,), 0.5)

    monkeypatch.setattr("compiler.run.attempt.fixed_params", solve)
    monkeypatch.setattr("compiler.run.attempt.Limited", lambda limits, model: SimpleNamespace(limits=limits))
    options = SimpleNamespace(method="fixed_params")
    session: Any = SimpleNamespace(inventory=None, target=None, options=options)
    found = Attempts(session, {}, "params")
    known = {"wished": (Limits(arena_bytes=82_208), Limits()), "asked": Limits(), "model": None, "whole": None}
    for name, value in known.items():
        found.__dict__[name] = value
    _, granted = found.solve(0.5, 0.5, NO_ERRORS)
    assert granted.limits.arena_bytes == kept
    assert granted.price == (price if price is None else pytest.approx(price, rel=1e-3))
    found.kept[b""] = granted, 0.5
    built: Any = SimpleNamespace(emitted=SimpleNamespace(tflite=b""))
    if price is not None:
        (note,) = found.said(built)
        assert note == (
            "as little RAM as the original's would have cost 2.2 times the predicted loss, so more was allowed; "
            "--max_arena_bytes 82208 insists on it"
        )


@pytest.mark.parametrize(("unit", "allowed"), [("ms", True), ("instructions", False)])
def test_only_a_clock_is_allowed_to_read_more(unit: str, allowed: bool) -> None:
    target = Timed(unit, {b"before": (100.0, "measured"), b"after": (94.0, "measured")})
    assert (target.attempts().excess(target.file(b"after"), Limits(latency_ratio=0.9)) is None) is allowed
    assert target.attempts().excess(target.file(b"after"), Limits(latency_ratio=0.89))


def test_an_estimate_is_not_compared_with_a_measurement() -> None:
    """As on a board that holds only the compressed file."""
    target = Timed("instructions", {b"before": (100.0, "estimate"), b"after": (120.0, "measured")})
    target.in_turn = {b"before": (100.0, "estimate"), b"after": (80.0, "estimate")}
    assert target.attempts().excess(target.file(b"after"), Limits(latency_ratio=0.9)) is None
    assert target.attempts().excess(target.file(b"after"), Limits(latency_ratio=0.7))


class Timed:
    """A target that takes so long for each file, and says how it knows."""

    def __init__(self, unit: str, times: dict[bytes, tuple[float, str]]) -> None:
        self.unit, self.times, self.in_turn = unit, times, times

    def measure(self, tflite: bytes, inputs: object) -> TargetFigures:
        return self.figures(*self.times[tflite])

    def figures(self, time: float, label: str) -> TargetFigures:
        return TargetFigures(0, 0, 0, "measured", 0, time, self.unit, label)

    def measure_in_turn(self, original: bytes, compressed: bytes, inputs: object) -> tuple[TargetFigures, ...]:
        return self.figures(*self.in_turn[original]), self.figures(*self.in_turn[compressed])

    def attempts(self) -> Attempts:
        reference = SimpleNamespace(tflite=b"before", inputs=[], figures=self.measure(b"before", []))
        return Attempts(SimpleNamespace(reference=reference, target=self), {}, "params")  # type: ignore[arg-type]

    @staticmethod
    def file(tflite: bytes) -> Any:
        return SimpleNamespace(tflite=tflite, figures=SimpleNamespace(file_bytes=0))
