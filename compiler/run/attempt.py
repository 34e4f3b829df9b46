"""One budget made into a file that keeps it, and the limits: solve, build, measure with the target's tool, correct.

Prices, RAM and time are estimates until there is a file. Where the file breaks what was asked, the estimate's error is
taken off what is granted, and the solver runs again. Where it breaks only a wish for RAM, it is kept beside, and comes
out where what fewer wishes would allow needs more RAM still.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from compiler.errors import Infeasible
from compiler.result import StoredFigures
from compiler.run.cached_menus import Menus
from compiler.run.excess import excess
from compiler.run.session import Built, Emitted, Session
from compiler.run.wishes import NO_ERRORS, Granted, Wishes
from compiler.solver.fixed_params import Solution
from compiler.solver.limits import Limits
from compiler.solver.reach import FLAGS

CORRECTIONS = 5
MEASURED = {"params": "stored_weight_bytes", "bytes": "file_bytes", "macs": "macs"}
USED = 0.98  # of a budget: less is tried again, unless no plan is larger
NEXT = 1e-3  # of the original: a grant that is nearer than this to the last gives no other plan


def figure(of: StoredFigures, budget: str) -> int:
    """In the unit of the budget."""
    return int(getattr(of, MEASURED[budget]))


def share(emitted: Emitted, original: Emitted, budget: str) -> float:
    """What an emitted file keeps of the original's, in the unit of the budget."""
    return figure(emitted.figures, budget) / figure(original.figures, budget)


@dataclass(frozen=True, eq=False)
class Try:
    """A file: what its plan was `granted` of the budget, and within which limits; the share that it `kept`, and by how
    much it breaks the limits (None: it keeps them)."""

    built: Built
    granted: float
    given: Granted
    kept: float
    excess: Limits | None

    def keeps(self, factor: float) -> bool:
        return self.kept <= factor and self.excess is None


@dataclass(frozen=True, eq=False)
class Attempts:
    """Everything that attempts of one search have in common."""

    session: Session
    offered: Menus
    budget: str
    made: dict[bytes, tuple[Try, float]] = field(default_factory=dict)  # each file that was taken, and its factor

    @cached_property
    def wishes(self) -> Wishes:
        return Wishes(self.session, self.offered, self.budget)

    def __call__(self, factor: float) -> Built:
        """The file of least predicted loss that keeps `factor`. Raises Infeasible.

        A budget that is asked for is used, too: a file that came out smaller than its plan was priced, or than a plan
        that was corrected by too much, is tried again between what it was granted and what was too much.
        """
        tried = self.taken(factor)
        self.made[tried.built.emitted.tflite] = tried, factor
        return tried.built

    def taken(self, factor: float) -> Try:
        granted, too_much, errors = factor, np.inf, NO_ERRORS
        best: Try | None = None  # the largest that keeps everything
        near: Try | None = None  # the nearest that misses nothing but a wish for RAM
        missed: Try | None = None  # the nearest of all that break what is asked
        for correction in range(1, CORRECTIONS + 1):
            try:
                solution, given = self.wishes.plan(granted, errors, factor)
            except Infeasible:
                if best is not None or near is not None:
                    break
                if NEXT < too_much - granted < np.inf:  # the berth was too wide
                    granted = (granted + too_much) / 2
                    continue
                if missed is None:
                    raise
                if errors == NO_ERRORS:  # what is granted by now is no number that anybody asked for
                    self.refuse(factor, missed)
                errors = halved(errors)  # that of one plan need not be that of the next
                continue
            if best is None and near is not None and self.needs_more(solution, given, near):
                break
            built = self.session.build(solution.choices, solution.losses, solution.predicted_loss)
            kept = share(built.emitted, self.session.original, self.budget)
            last = Try(built, granted, given, kept, excess(self.session, built.emitted, given.limits))
            missed = last if missed is None or self.distance(last, factor) < self.distance(missed, factor) else missed
            if last.keeps(factor):
                if best is None or kept > best.kept:
                    best = last
                nothing_larger = solution.kept < USED * granted
                if kept >= USED * factor or nothing_larger or self.session.options.method != "fixed_params":
                    break
                dearer = (granted + too_much) / 2 if np.isfinite(too_much) else granted + solution.kept - kept - 1e-4
                if dearer < granted + NEXT:
                    break
                granted = min(dearer, max(1.0, factor))
            elif best is not None:
                too_much = granted
                granted = (best.granted + too_much) / 2
            else:
                if kept > factor:  # the next plan's prices may be off by more, so each time a wider berth
                    too_much = granted
                    granted = min(granted, solution.kept - correction * (kept - factor + 1e-4))
                elif self.misses_a_wish(last) and (near is None or self.needed(last) < self.needed(near)):
                    near = last
                errors = errors if last.excess is None else added(errors, last.excess)
        if best is not None and near is not None and self.has_more(best, near):  # the estimate had said less
            best = None
        taken = best or near or missed
        assert taken is not None, "no plan, no file"
        if best is None and near is None:
            self.refuse(factor, taken)
        return taken

    def distance(self, tried: Try, factor: float) -> float:
        """By how much the file breaks what is asked for, as a share of it: the largest."""
        over, asked = tried.excess or NO_ERRORS, tried.given.limits
        shares = [getattr(over, name) / limit for name in FLAGS if (limit := getattr(asked, name))]
        return max(0.0, tried.kept / factor - 1, *shares)

    def misses_a_wish(self, tried: Try) -> bool:
        """Whether all that the file misses is RAM that no flag asks for."""
        over = tried.excess
        return over is not None and not (over.file_bytes or over.latency_ratio or self.wishes.asked.arena_bytes)

    def has_more(self, tried: Try, near: Try) -> bool:
        """Whether a file that need not keep the wish needs more RAM than the one that misses it, as the tool says."""
        session = self.session
        seen = session.confined.measure(tried.built.emitted.tflite, session.reference.inputs)
        return tried.given.limits.arena_bytes is None and seen.arena_bytes > self.needed(near)

    def needed(self, tried: Try) -> float:
        """RAM of a file that misses a wish for it."""
        assert tried.excess is not None
        return (tried.given.limits.arena_bytes or 0.0) + (tried.excess.arena_bytes or 0.0)

    def needs_more(self, solution: Solution, given: Granted, near: Try) -> bool:
        """Whether a plan that need not keep the wish needs more RAM than the file that misses it."""
        return given.limits.arena_bytes is None and (
            self.wishes.model.arena_bytes(dict(solution.choices)) > self.needed(near)
        )

    def refuse(self, factor: float, tried: Try) -> None:
        """Raise Infeasible where the file breaks the budget or a flag's limit, and not only a wish, with what it
        measured."""
        if tried.kept > factor:
            least = np.ceil(1e4 * tried.kept) / 1e4
            mend = "ask for that or more" if least <= 1 else "that is more than the original: loosen the limits"
            raise Infeasible(
                f"--compression_factor {factor:g} can't be met: the smallest file that keeps the limits keeps "
                f"{least:.4f}; {mend}, or allow more structures."
            )
        for name, flag in FLAGS.items():
            over, asked = getattr(tried.excess or NO_ERRORS, name), getattr(self.wishes.asked, name)
            if over and asked is not None:
                needed = f"{asked + over:.4g}" if name == "latency_ratio" else f"{asked + over:.0f}"
                raise Infeasible(
                    f"{flag} {asked:.12g} can't be met: the nearest file needs {needed} "
                    f"({self.session.target.tool}); ask for that or more, or let more of the network be kept."
                )

    def said(self, built: Built) -> tuple[str, ...]:
        """What was wished for and could not be had with this file."""
        tried, factor = self.made[built.emitted.tflite]
        notes = self.wishes.dropped(tried.given, factor)
        over = 0.0 if tried.excess is None else tried.excess.file_bytes
        if over:  # of a flag's limit there is no file
            notes = (f"the file is {over:,.0f} bytes larger than the original, and no smaller one was found", *notes)
        if self.session.options.method == "fixed_params" and tried.kept < USED * factor:
            within = " within the limits" if tried.given.limits != Limits() else ""
            notes = (*notes, f"the budget is not used up: no plan was found{within} that keeps more and loses less")
        if not self.misses_a_wish(tried):
            return notes
        wished = tried.given.limits.arena_bytes or 0.0
        note = (
            f"the file needs {self.needed(tried):,.0f} bytes of RAM, {self.needed(tried) - wished:,.0f} more than the "
            f"original, and no plan was found that needs less at a loss as small; --max_arena_bytes {wished:.0f} "
            "insists on it"
        )
        return (note, *notes)


def halved(errors: Limits) -> Limits:
    return Limits(**{name: getattr(errors, name) / 2 for name in FLAGS})


def added(errors: Limits, excess: Limits) -> Limits:
    return Limits(**{name: getattr(errors, name) + getattr(excess, name) for name in FLAGS})
