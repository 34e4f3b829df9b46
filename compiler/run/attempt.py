"""One budget made into a file that keeps it, and the limits: solve, build, measure with the target's tool, correct.

Prices, RAM and time are estimates until there is a file. Where the file breaks what was asked, the estimate's error is
taken off what is granted, and the solver runs again.

Without flags a file is to be no larger than the original's, and to need no more RAM. Where no plan within the budget
does, or none that loses at most WORTH times what the best plan without the wish would, wishes are dropped one after the
other: first what an interpreter keeps in RAM for each operator may grow, then activations may, then the file. The
report says so and by how much, and names the flag that insists.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from compiler.backend.targets.plan_model import PlanModel
from compiler.errors import Infeasible
from compiler.run.cached_menus import Menus
from compiler.run.session import Built, Emitted, Session
from compiler.solver.fixed_params import Solution, fixed_params, smallest_factor
from compiler.solver.limits import Limited, Limits
from compiler.solver.reach import FLAGS, MARGIN, Reach, blame
from compiler.types import Cost

CORRECTIONS = 5
# A ResNet-20 at half its weights lost 33 points to stay 0.7 % under the original's RAM, 0.2 at 11 % above it.
WORTH = 2.0
MEASURED = {"params": "stored_weight_bytes", "bytes": "file_bytes", "macs": "macs"}
NOTHING = 1e-6  # nats
USED = 0.98  # of a budget: less is tried again, unless no plan is larger
NEXT = 1e-3  # of the original: a grant that is nearer than this to the last gives no other plan
NO_ERRORS = Limits(0.0, 0.0, None, 0.0)


def share(emitted: Emitted, original: Emitted, budget: str) -> float:
    """What an emitted file keeps of the original's, in the unit of the budget."""
    field = MEASURED[budget]
    return getattr(emitted.figures, field) / getattr(original.figures, field)


@dataclass(frozen=True, slots=True)
class Granted:
    """The limits that a plan keeps; `price`: how many times its predicted loss the strictest plan that was possible
    would have had, where that was too much (None: there was none)."""

    limits: Limits
    price: float | None = None


@dataclass(frozen=True, eq=False)
class Attempts:
    """Everything that attempts of one search have in common."""

    session: Session
    offered: Menus
    budget: str
    kept: dict[bytes, tuple[Granted, float]] = field(default_factory=dict)  # limits and factor of each file

    @property
    def original(self) -> Emitted:
        return self.session.original

    @cached_property
    def model(self) -> PlanModel:
        session = self.session
        arena = session.reference.figures.arena_bytes
        if session.dense is not session.original:
            arena = session.target.measure(session.dense.tflite, session.reference.inputs).arena_bytes
        return PlanModel(session.dense.tflite, session.inventory.sites, session.target, arena, self.original.tflite)

    @cached_property
    def asked(self) -> Limits:
        """Of the flags."""
        options = self.session.options
        return Limits(options.max_file_bytes, options.max_arena_bytes, None, options.max_latency_ratio)

    @cached_property
    def wished(self) -> tuple[Limits, ...]:
        """Of the flags, and of the default; the most that is wished for first."""
        asked, figures = self.asked, self.original.figures
        file = asked.file_bytes if asked.file_bytes is not None else figures.file_bytes
        if asked.arena_bytes is not None:
            tiers = [replace(asked, file_bytes=file)]
        else:
            arena, activations = self.session.reference.figures.arena_bytes, self.model.original_activations
            tiers = [
                replace(asked, file_bytes=file, arena_bytes=arena),
                replace(asked, file_bytes=file, activation_bytes=activations),
                replace(asked, file_bytes=file),
            ]
        return (*tiers, asked) if asked.file_bytes is None else tuple(tiers)

    @cached_property
    def whole(self) -> Cost:
        return self.original.figures.cost

    def lowest(self) -> float:
        """The smallest factor that any plan reaches within the limits of the flags. Raises Infeasible."""
        session = self.session
        limited = Limited(self.asked, self.model)
        try:
            return smallest_factor(self.offered, session.inventory, session.target, self.whole, self.budget, limited)
        except Infeasible:
            raise Infeasible(blame(self.asked, self.reach(1.0))) from None

    def __call__(self, factor: float) -> Built:
        """The file of least predicted loss that keeps `factor`. Raises Infeasible.

        A budget that is asked for is used, too: a file that came out smaller than its plan was priced, or than a plan
        that was corrected by too much, is tried again between what it was granted and what was too much.
        """
        granted, too_much, errors = factor, np.inf, NO_ERRORS
        last: tuple[Emitted, float, Limits | None] | None = None
        best: tuple[float, float, Built, Granted] | None = None  # kept, granted
        for correction in range(1, CORRECTIONS + 1):
            try:
                solution, given = self.solve(granted, factor, errors)
            except Infeasible:
                if best is not None:
                    break
                if NEXT < too_much - granted < np.inf:  # the berth was too wide
                    granted = (granted + too_much) / 2
                    continue
                if last is not None:  # what is granted by now is no number that anybody asked for
                    self.refuse_file(factor, *last)
                raise
            built = self.session.build(solution.choices, solution.losses, solution.predicted_loss)
            kept = share(built.emitted, self.original, self.budget)
            excess = self.excess(built.emitted, given.limits)
            last = built.emitted, kept, excess
            if kept <= factor and excess is None:
                if best is None or kept > best[0]:
                    best = kept, granted, built, given
                nothing_larger = solution.kept < USED * granted
                if kept >= USED * factor or nothing_larger or self.session.options.method != "fixed_params":
                    break
                dearer = (granted + too_much) / 2 if np.isfinite(too_much) else granted + solution.kept - kept - 1e-4
                if dearer < granted + NEXT:
                    break
                granted = min(dearer, 1.0)
            elif best is not None:
                too_much = granted
                granted = (best[1] + too_much) / 2
            else:
                if kept > factor:  # the next plan's prices may be off by more, so each time a wider berth
                    too_much = granted
                    granted = min(granted, solution.kept - correction * (kept - factor + 1e-4))
                errors = errors if excess is None else added(errors, excess)
        if best is not None:
            _, _, built, given = best
        elif last is not None:
            self.refuse_file(factor, *last)
        self.kept[built.emitted.tflite] = given, factor
        return built

    def solution(self, factor: float) -> Solution:
        """The plan alone, as the first attempt solves for it. Raises Infeasible."""
        return self.solve(factor, factor, NO_ERRORS)[0]

    def solve(self, granted: float, factor: float, errors: Limits) -> tuple[Solution, Granted]:
        """The plan that keeps most of what is wished for at a price that is worth it, and the limits that it keeps."""
        session, inventory = self.session, self.session.inventory

        def within(limits: Limits) -> Solution | None:
            limited = Limited(less(limits, errors), self.model)
            try:
                return fixed_params(self.offered, inventory, session.target, self.whole, granted, self.budget, limited)
            except Infeasible:
                return None

        freest = within(self.wished[-1])
        if freest is not None:
            price: float | None = None
            for limits in self.wished[:-1]:
                solution = within(limits)
                if solution is None:
                    continue
                times = (solution.predicted_loss + NOTHING) / (freest.predicted_loss + NOTHING)
                if times <= WORTH:
                    return solution, Granted(limits, price)
                price = times if price is None else price
            return freest, Granted(self.wished[-1], price)
        # Without any limit this raises where the budget is what can't be met, and says so.
        fixed_params(self.offered, inventory, session.target, self.whole, granted, self.budget)
        raise Infeasible(blame(self.asked, self.reach(factor)))

    def excess(self, emitted: Emitted, limits: Limits) -> Limits | None:
        """By how much the file breaks each limit, as the target's tool says; None where it keeps all."""
        reference, target = self.session.reference, self.session.target
        before, seen = reference.figures, target.measure(emitted.tflite, reference.inputs)
        if limits.latency_ratio is not None and "measured" in (before.time_label, seen.time_label):
            before, seen = target.measure_in_turn(reference.tflite, emitted.tflite, reference.inputs)
        ratio = seen.time / before.time if seen.time_ratio is None else seen.time_ratio.median
        ratio /= 1 + seen.time_error
        over = Limits(
            beyond(emitted.figures.file_bytes, limits.file_bytes),
            beyond(seen.arena_bytes, limits.arena_bytes),
            None,
            beyond(ratio, limits.latency_ratio),
        )
        return over if any((over.file_bytes, over.arena_bytes, over.latency_ratio)) else None

    def refuse_file(self, factor: float, emitted: Emitted, kept: float, excess: Limits | None) -> None:
        """Raise Infeasible where the last file breaks the budget or a flag's limit, with what it measured."""
        if kept > factor:
            raise Infeasible(
                f"--compression_factor {factor:g} can't be met: the smallest file that keeps the limits keeps "
                f"{np.ceil(1e4 * kept) / 1e4:.4f}; ask for that or more, or allow more structures."
            )
        if excess is not None:
            self.refuse_excess(excess)

    def refuse_excess(self, excess: Limits) -> None:
        """Raise Infeasible where what is broken is a flag's limit, and not only a wish."""
        for name, flag in FLAGS.items():
            over, asked = getattr(excess, name), getattr(self.asked, name)
            if over and asked is not None:
                needed = f"{asked + over:.4g}" if name == "latency_ratio" else f"{asked + over:.0f}"
                raise Infeasible(
                    f"{flag} {asked:.12g} can't be met: the nearest file needs {needed} "
                    f"({self.session.target.tool}); ask for that or more, or let more of the network be kept."
                )

    def said(self, built: Built) -> tuple[str, ...]:
        """What was wished for and could not be had with this file."""
        given, factor = self.kept[built.emitted.tflite]
        limits, most, notes = given.limits, self.wished[0], []
        if limits.arena_bytes is None and most.arena_bytes is not None and given.price is not None:
            notes.append(
                f"as little RAM as the original's would have cost {given.price:.1f} times the predicted loss, so more "
                f"was allowed; --max_arena_bytes {most.arena_bytes:.0f} insists on it"
            )
        elif limits.arena_bytes is None and most.arena_bytes is not None:
            note = "no plan within the budget needs as little RAM as the original"
            if self.session.options.method == "fixed_params":
                least = self.reach(factor).arena_bytes()
                note += f"; the smallest reachable is about {least:,.0f} bytes (--max_arena_bytes {MARGIN * least:.0f})"
            notes.append(note)
        if limits.file_bytes is None and most.file_bytes is not None:
            notes.append("no plan within the budget has as small a file as the original")
        return tuple(notes)

    def reach(self, factor: float) -> Reach:
        session = self.session
        return Reach(
            self.offered,
            session.inventory,
            session.target,
            self.whole,
            factor,
            self.budget,
            self.model,
        )


def beyond(value: float, limit: float | None) -> float:
    return 0.0 if limit is None else max(0.0, value - limit)


def less(limits: Limits, errors: Limits) -> Limits:
    """The limits, lowered by the errors of the estimates."""
    names = [name for name in FLAGS if getattr(limits, name) is not None]
    return replace(limits, **{name: getattr(limits, name) - getattr(errors, name) for name in names})


def added(errors: Limits, excess: Limits) -> Limits:
    return Limits(**{name: getattr(errors, name) + getattr(excess, name) for name in FLAGS})
