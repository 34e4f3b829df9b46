"""Plans within what the flags ask for and, where no flag says otherwise, within what is wished for.

Without flags a file is to be no larger than the original's, and to need no more RAM. Where no plan within the budget
does, or none that loses at most WORTH times what the best plan without the wish would, wishes are dropped one after the
other: first what an interpreter keeps in RAM for each operator may grow, then activations may, then the file. The
report says so and by how much, and names the flag that insists.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from compiler.backend.targets.plan_model import PlanModel
from compiler.errors import Infeasible
from compiler.run.cached_menus import Menus
from compiler.run.session import Session
from compiler.solver.fixed_params import Solution, fixed_params, smallest_factor
from compiler.solver.limits import Limited, Limits
from compiler.solver.reach import FLAGS, MARGIN, Reach, blame
from compiler.types import Cost

# A ResNet-20 at half its weights lost 33 points to stay 0.7 % under the original's RAM, 0.2 at 11 % above it.
WORTH = 2.0
NOTHING = 1e-6  # nats
NO_ERRORS = Limits(0.0, 0.0, None, 0.0)


def asked_limits(session: Session) -> Limits:
    """Of the flags."""
    options = session.options
    return Limits(options.max_file_bytes, options.max_arena_bytes, None, options.max_latency_ratio)


@dataclass(frozen=True, slots=True)
class Granted:
    """The limits that a plan keeps; `price`: how many times its predicted loss the strictest plan that was possible
    would have had, where that was too much (None: there was none)."""

    limits: Limits
    price: float | None = None


@dataclass(frozen=True, eq=False)
class Wishes:
    """What plans of one session are solved for: `budget` is the unit of factors."""

    session: Session
    offered: Menus
    budget: str

    @cached_property
    def model(self) -> PlanModel:
        session = self.session
        arena, thriftiest = session.reference.figures.arena_bytes, session.target.within(0)
        if session.dense is not session.original or thriftiest != session.target:
            arena = thriftiest.measure(session.dense.tflite, session.reference.inputs).arena_bytes
        return PlanModel(session.dense.tflite, session.inventory.sites, session.target, arena, session.original.tflite)

    @cached_property
    def asked(self) -> Limits:
        return asked_limits(self.session)

    @cached_property
    def wished(self) -> tuple[Limits, ...]:
        """Of the flags, and of the default; the most that is wished for first."""
        asked, figures = self.asked, self.session.original.figures
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
        return self.session.original.figures.cost

    def lowest(self) -> float:
        """The smallest factor that any plan reaches within the limits of the flags. Raises Infeasible."""
        session, limited = self.session, Limited(self.asked, self.model)
        try:
            return smallest_factor(self.offered, session.inventory, session.target, self.whole, self.budget, limited)
        except Infeasible:
            raise Infeasible(blame(self.asked, self.reach(1.0))) from None

    def plan(self, granted: float, errors: Limits = NO_ERRORS, asked: float | None = None) -> tuple[Solution, Granted]:
        """The plan that keeps the factor `granted` and most of what is wished for at a price that is worth it, and the
        limits that it keeps by more than `errors`. Raises Infeasible, with the least limits that are possible within
        the factor `asked` [default: `granted`]."""
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
        raise Infeasible(blame(self.asked, self.reach(granted if asked is None else asked)))

    def dropped(self, given: Granted, factor: float) -> tuple[str, ...]:
        """What was wished for and could not be had within `factor`."""
        limits, most, notes = given.limits, self.wished[0], []
        if limits.arena_bytes is None and most.arena_bytes is not None and given.price is not None:
            notes.append(
                f"as little RAM as the original's would have cost {times(given.price)} the predicted loss, so more "
                f"was allowed; --max_arena_bytes {most.arena_bytes:.0f} insists on it"
            )
        elif limits.arena_bytes is None and most.arena_bytes is not None:
            note = "no plan within the budget needs as little RAM as the original"
            if self.session.options.method == "fixed_params":
                least = self.reach(factor).arena_bytes()
                note += f"; the smallest reachable is about {least:,.0f} bytes (--max_arena_bytes {MARGIN * least:.0f})"
            notes.append(note)
        if limits.file_bytes is None and most.file_bytes is not None and given.price is not None:
            notes.append(
                f"a file as small as the original would have cost {times(given.price)} the predicted loss, so "
                f"a larger one was allowed; --max_file_bytes {most.file_bytes:.0f} insists on it"
            )
        elif limits.file_bytes is None and most.file_bytes is not None:
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


def times(price: float) -> str:
    """For example "2.2 times"; a plan that loses next to nothing is cheaper by any number."""
    return f"{price:.1f} times" if price < 1000 else "more than 1,000 times"


def less(limits: Limits, errors: Limits) -> Limits:
    """The limits, lowered by the errors of the estimates."""
    names = [name for name in FLAGS if getattr(limits, name) is not None]
    return replace(limits, **{name: getattr(limits, name) - getattr(errors, name) for name in names})
