"""A budget holds in the file: where prices are too low, they are given a wider berth until it does."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from compiler.errors import Infeasible
from compiler.result import TargetFigures
from compiler.run.attempt import Attempts, Try, share
from compiler.run.excess import excess
from compiler.run.wishes import NO_ERRORS, Granted, Wishes
from compiler.solver.fixed_params import Solution
from compiler.solver.limits import Limits
from compiler.types import DENSE, Choice


@dataclass
class Priced:
    """In the place of `Wishes`: plans are as large as is granted, files larger than their plans by an error."""

    granted: list[float] = field(default_factory=list)
    asked: Limits = field(default_factory=Limits)

    def plan(self, granted: float, errors: Any, factor: float) -> tuple[Solution, Any]:
        self.granted.append(granted)
        return Solution((), (), granted), Granted(NO_ERRORS)


class Least(Priced):
    """No plan is as small as 0.3."""

    def plan(self, granted: float, errors: Any, factor: float) -> tuple[Solution, Any]:
        if granted < 0.3:
            raise Infeasible(f"--compression_factor {granted:.4g} can't be met")
        return super().plan(granted, errors, factor)


class Coarse(Priced):
    """All plans are of one size."""

    def plan(self, granted: float, errors: Any, factor: float) -> tuple[Solution, Any]:
        _, given = super().plan(granted, errors, factor)
        return Solution((), (), 0.4), given


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """From errors of prices: the attempts, and a list of what is granted to each."""
    monkeypatch.setattr("compiler.run.attempt.excess", lambda *given: None)

    def made(errors: list[float], kind: type[Priced] = Priced) -> tuple[Attempts, list[float]]:
        wishes = kind()

        def build(choices: object, losses: object, predicted_loss: object) -> Any:
            kept = wishes.granted[-1] + errors[len(wishes.granted) - 1]
            return SimpleNamespace(emitted=SimpleNamespace(tflite=b"%d" % len(wishes.granted), figures=figures(kept)))

        return with_wishes(wishes, build), wishes.granted

    return made


def with_wishes(wishes: object, build: object, measured: int | None = None) -> Attempts:
    """`measured`: RAM of every file."""
    options = SimpleNamespace(method="fixed_params")
    target = SimpleNamespace(tool="a ruler", measure=lambda *given: SimpleNamespace(arena_bytes=measured))
    session: Any = SimpleNamespace(
        original=SimpleNamespace(figures=figures(1.0)),
        reference=SimpleNamespace(inputs=[]),
        build=build,
        options=options,
        target=target,
        confined=target,
    )
    found = Attempts(session, {}, "params")
    found.__dict__["wishes"] = wishes
    return found


def test_a_refusal_names_what_was_asked_and_what_the_file_keeps(attempts: Any) -> None:
    found, granted = attempts([0.0024, 0.0024], Least)
    with pytest.raises(Infeasible, match=r"factor 0\.301 can't be met: .* keeps 0\.3028; ask for that or more"):
        found(0.301)
    assert len(granted) == 2
    with pytest.raises(Infeasible, match=r"factor 0\.2 can't be met$"):
        found(0.2)


def test_a_refusal_asks_for_no_more_than_there_is(attempts: Any) -> None:
    found, _ = attempts([0.8, 0.8], Least)
    with pytest.raises(Infeasible, match=r"keeps 1\.1000; that is more than the original: loosen the limits, or allow"):
        found(0.3)


def figures(kept: float) -> Any:
    return SimpleNamespace(stored_weight_bytes=1e6 * kept)


@pytest.mark.parametrize(
    "errors", [[0.0], [0.003, 0.003], [0.001, 0.0015, 0.0015], [2e-4, 4e-4, 6e-4, 8e-4, 10e-4, 12e-4], [-0.01]]
)
def test_a_file_never_keeps_more_than_was_asked_for(attempts: Any, errors: list[float]) -> None:
    """Also where each plan's prices are off by more than those of the plan before."""
    found, granted = attempts(errors)
    built = found(0.5)
    assert share(built.emitted, found.session.original, "params") <= 0.5
    assert len(granted) <= len(errors)
    assert granted == sorted(granted, reverse=True)
    assert min(granted) >= 0.49


def test_prices_that_are_far_too_low_ask_for_one_berth_and_not_for_two(attempts: Any) -> None:
    found, granted = attempts([0.105, 0.111, 0.111])
    assert 0.48 < share(found(0.5).emitted, found.session.original, "params") <= 0.5
    assert len(granted) == 3


def test_a_berth_that_leaves_no_plan_is_made_narrower(attempts: Any) -> None:
    found, granted = attempts([0.06, 0.0, 0.0, 0.0], Least)  # 0.28 is too little, 0.34 was too much
    assert 0.3 <= share(found(0.34).emitted, found.session.original, "params") <= 0.34
    assert granted[:2] == pytest.approx([0.34, 0.31], abs=1e-3)


@pytest.mark.parametrize(
    "errors",
    [
        [-0.08, -0.08],  # priced too high: so much more is granted
        [-0.08, 0.0, -0.04],  # and then too low
        [0.05, 0.0, 0.004, 0.0, 0.0],  # priced too low once: between the two
    ],
)
def test_a_budget_is_used(attempts: Any, errors: list[float]) -> None:
    found, granted = attempts(errors)
    kept = share(found(0.5).emitted, found.session.original, "params")
    assert 0.48 < kept <= 0.5
    assert len(granted) == len(errors)


def test_the_largest_file_that_keeps_the_budget_is_taken(attempts: Any) -> None:
    found, granted = attempts([-0.1, 0.05, 0.05, 0.05, -0.2])  # the last is within, and smaller than the first
    assert share(found(0.5).emitted, found.session.original, "params") == pytest.approx(0.4)
    assert len(granted) == 5


def test_where_nothing_larger_is_on_offer_nothing_is_tried_again(attempts: Any) -> None:
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

    monkeypatch.setattr("compiler.run.wishes.fixed_params", solve)
    monkeypatch.setattr("compiler.run.wishes.Limited", lambda limits, model: SimpleNamespace(limits=limits))
    options = SimpleNamespace(method="fixed_params")
    session: Any = SimpleNamespace(inventory=None, target=None, options=options)
    found = Wishes(session, {}, "params")
    known = {"wished": (Limits(arena_bytes=82_208), Limits()), "asked": Limits(), "model": None, "whole": None}
    for name, value in known.items():
        found.__dict__[name] = value
    _, granted = found.plan(0.5)
    assert granted.limits.arena_bytes == kept
    assert granted.price == (price if price is None else pytest.approx(price, rel=1e-3))
    if price is not None:
        (note,) = found.dropped(granted, 0.5)
        assert note == (
            "as little RAM as the original's would have cost 2.2 times the predicted loss, so more was allowed; "
            "--max_arena_bytes 82208 insists on it"
        )


@pytest.mark.parametrize(
    ("price", "said"),
    [
        (
            3.04,
            "a file as small as the original would have cost 3.0 times the predicted loss, so a larger",
        ),
        (2.7e7, "a file as small as the original would have cost more than 1,000 times the predicted loss"),
        (None, "no plan within the budget has as small a file as the original"),
    ],
)
def test_a_file_larger_than_the_original_is_said_to_be_bought_or_forced(price: float | None, said: str) -> None:
    found = Wishes(SimpleNamespace(), {}, "params")  # type: ignore[arg-type]
    found.__dict__["wished"] = (Limits(file_bytes=5_000), Limits())
    (note,) = found.dropped(Granted(Limits(), price), 0.5)
    assert note.startswith(said)


WISH = 22_016


class Wishing(Priced):
    """Plans need as much RAM as is wished for less what earlier files missed it by; from `enough` such plans on, the
    wish is dropped for one that needs `freest`, or there is no plan at all (None)."""

    enough, freest = 1, 47_104

    def plan(self, granted: float, errors: Any, factor: float) -> tuple[Solution, Any]:
        self.granted.append(granted)
        if len(self.granted) <= self.enough:
            return Solution((("conv", DENSE),), (1.0,), granted), Granted(Limits(arena_bytes=WISH))
        if self.freest is None:
            raise Infeasible("none")
        return Solution((("conv", Choice("tucker2", (1, 1))),), (0.9,), granted), Granted(Limits(), 3.0)

    @property
    def model(self) -> Any:
        return SimpleNamespace(arena_bytes=lambda plan: WISH if plan["conv"].is_dense else self.freest)

    dropped = Wishes.dropped
    wished = (Limits(arena_bytes=WISH), Limits())


@pytest.mark.parametrize(
    ("missed", "freest", "taken", "note"),
    [
        ([512], 47_104, 0, "the file needs 22,528 bytes of RAM, 512 more than the original"),
        ([512], None, 0, "the file needs 22,528 bytes of RAM, 512 more than the original"),
        ([900, 512, 600], 47_104, 1, "the file needs 22,528 bytes of RAM, 512 more than the original"),
        ([512, 0], 47_104, 1, None),
        ([512], 22_500, 1, "as little RAM as the original's would have cost 3.0 times the predicted loss"),
    ],
    ids=[
        "the freest needs more",
        "nothing else",
        "the nearest of several",
        "the next keeps it",
        "the freest needs less",
    ],
)
def test_a_file_that_just_misses_the_wish_is_better_than_one_that_is_far_off(
    missed: list[int], freest: int | None, taken: int, note: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    wishes = Wishing()
    built: list[Any] = []
    wishes.enough, wishes.freest = len(missed), freest  # type: ignore[assignment]

    def build(choices: object, losses: object, predicted_loss: object) -> Any:
        built.append(SimpleNamespace(emitted=SimpleNamespace(tflite=b"%d" % len(built), figures=figures(0.5))))
        return built[-1]

    def missing(session: object, emitted: Any, limits: Limits) -> Limits | None:
        over = 0 if limits.arena_bytes is None else missed[int(emitted.tflite)]
        return Limits(0.0, over, None, 0.0) if over else None

    monkeypatch.setattr("compiler.run.attempt.excess", missing)
    found = with_wishes(wishes, build, measured=freest)
    assert found(0.5) is built[taken]
    notes = found.said(built[taken])
    assert not notes if note is None else notes[0].startswith(note)
    if freest is None or freest > WISH + min(missed):
        assert len(built) == len(missed)  # what needs more is not even built
    if note is not None:  # a flag insists
        wishes, insisted = Wishing(asked=Limits(arena_bytes=WISH)), [*missed]
        wishes.enough, wishes.freest = len(missed), None  # type: ignore[assignment]
        built.clear()
        with pytest.raises(Infeasible, match=rf"max_arena_bytes {WISH} .* needs {WISH + min(insisted)} \(a ruler\)"):
            with_wishes(wishes, build)(0.5)


def test_what_the_estimate_promised_and_the_file_does_not_keep_is_no_better(monkeypatch: pytest.MonkeyPatch) -> None:
    """The freest plan is estimated below the file that missed the wish, and measured above it."""
    wishes = Wishing()
    wishes.freest = 22_500

    def build(choices: Any, losses: object, predicted_loss: object) -> Any:
        name = b"near" if choices[0][1].is_dense else b"freest"
        return SimpleNamespace(emitted=SimpleNamespace(tflite=name, figures=figures(0.5)))

    def missing(session: object, emitted: Any, limits: Limits) -> Limits | None:
        return Limits(0.0, 512, None, 0.0) if emitted.tflite == b"near" else None

    monkeypatch.setattr("compiler.run.attempt.excess", missing)
    assert with_wishes(wishes, build, measured=22_600)(0.5).emitted.tflite == b"near"
    wishes.granted.clear()
    assert with_wishes(wishes, build, measured=22_500)(0.5).emitted.tflite == b"freest"


def test_a_file_larger_than_the_original_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compiler.run.attempt.excess", lambda *given: Limits(100.0, 0.0, None, 0.0))
    wishes = Wishing()
    wishes.enough = 9
    built: Any = SimpleNamespace(emitted=SimpleNamespace(tflite=b"", figures=figures(0.5)))
    found = with_wishes(wishes, lambda *given: built)
    found(0.5)
    assert found.said(built) == ("the file is 100 bytes larger than the original, and no smaller one was found",)


@pytest.mark.parametrize(("unit", "allowed"), [("ms", True), ("instructions", False)])
def test_only_a_clock_is_allowed_to_read_more(unit: str, allowed: bool) -> None:
    target = Timed(unit, {b"before": (100.0, "measured"), b"after": (94.0, "measured")})
    assert (excess(target.session(), target.file(b"after"), Limits(latency_ratio=0.9)) is None) is allowed
    assert excess(target.session(), target.file(b"after"), Limits(latency_ratio=0.89))


def test_an_estimate_is_not_compared_with_a_measurement() -> None:
    """As on a board that holds only the compressed file."""
    target = Timed("instructions", {b"before": (100.0, "estimate"), b"after": (120.0, "measured")})
    target.in_turn = {b"before": (100.0, "estimate"), b"after": (80.0, "estimate")}
    assert excess(target.session(), target.file(b"after"), Limits(latency_ratio=0.9)) is None
    assert excess(target.session(), target.file(b"after"), Limits(latency_ratio=0.7))


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

    def session(self) -> Any:
        reference = SimpleNamespace(tflite=b"before", inputs=[], figures=self.measure(b"before", []))
        return SimpleNamespace(reference=reference, confined=self)

    @staticmethod
    def file(tflite: bytes) -> Any:
        return SimpleNamespace(tflite=tflite, figures=SimpleNamespace(file_bytes=0))


@pytest.mark.parametrize(
    ("kept", "limits", "said"),
    [
        (0.49, Limits(), ()),
        (0.48, Limits(), ("the budget is not used up: no plan was found that keeps more and loses less",)),
        (
            0.31,
            Limits(arena_bytes=2_000),
            ("the budget is not used up: no plan was found within the limits that keeps ",),
        ),
    ],
)
def test_a_budget_that_is_not_used_up_is_said_to_be(kept: float, limits: Limits, said: tuple[str, ...]) -> None:
    found = with_wishes(SimpleNamespace(dropped=lambda given, factor: ()), None)
    built: Any = SimpleNamespace(emitted=SimpleNamespace(tflite=b"file", figures=figures(kept)))
    found.made[b"file"] = Try(built, 0.5, Granted(limits), kept, None), 0.5
    notes = found.said(built)
    assert len(notes) == len(said)
    assert all(note.startswith(start) for note, start in zip(notes, said, strict=True))


def test_an_error_of_one_plan_need_not_be_that_of_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first plan's file is 900 bytes too large, and no plan is priced 900 lower; one that is 300 lower fits."""
    asked = Limits(file_bytes=15_000)

    def plan(granted: float, errors: Limits, factor: float) -> tuple[Solution, Granted]:
        limit = (asked.file_bytes or 0.0) - (errors.file_bytes or 0.0)
        if limit < 14_700:
            raise Infeasible("none")
        return Solution((), (), limit / 30_000), Granted(asked)

    def build(*given: object) -> Any:
        made.append(given)
        return SimpleNamespace(emitted=SimpleNamespace(tflite=b"%d" % len(made), figures=figures(0.5)))

    made: list[object] = []
    over = {b"1": 900.0, b"2": 0.0}
    monkeypatch.setattr(
        "compiler.run.attempt.excess",
        lambda session, emitted, limits: Limits(o, 0.0, None, 0.0) if (o := over[emitted.tflite]) else None,
    )
    found = with_wishes(SimpleNamespace(plan=plan, asked=asked), build)
    assert found(0.5).emitted.tflite == b"2"
    over[b"2"] = over[b"3"] = over[b"4"] = 400.0
    made.clear()
    with pytest.raises(Infeasible, match=r"--max_file_bytes 15000 can't be met: the nearest file needs 15400"):
        found(0.5)
