"""A plan that keeps the bound on examples that its search did not use, and what to do where the search's own does not.

A search ends where its own half of the examples is just within the bound, so on the other half as many plans end above
it as below. Those are stepped back from, to larger plans that were accepted, and then the gap is halved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain

from compiler.errors import Infeasible
from compiler.result import Evidence
from compiler.run.found import Found
from compiler.run.session import Built, Session
from compiler.solver.fixed_loss import RESOLUTION, Tried

REFINEMENTS = 4  # more plans behind a step back, each built and measured
STEPPED_BACK = (
    "smaller plans lost more than the bound on the report half, so this one was chosen with that half in view, too; "
    "on other examples it may lose more"
)


def confirmed(
    session: Session, accepted: list[Tried[Built]], attempt: Callable[[float], tuple[Built, float]], most: float = 1.0
) -> Found:
    """The most compressed plan that is within the bound on the report half, too: of those that the search accepted, or
    between that one and the one before. `attempt(factor)` makes another, of `most` at the most, and measures it on the
    search half. Where none is within the bound, the one that loses least, unless chance does not explain that it loses
    more. Raises Infeasible where there is none."""
    bound, seen = session.options.max_acc_loss, Confirming(session, attempt)
    too_small: float | None = None
    for tried in chain(reversed(accepted), seen.larger(accepted[0], most)):
        if seen.within(tried):
            return seen.refined(tried, too_small)
        too_small = tried.factor
    best = min(seen.found, key=lambda found: found.evidence.loss)
    if refuted(best.evidence, bound):
        even = "" if len(seen.found) == 1 else ", nor by any larger plan that was tried"
        raise Infeasible(
            f"--max_acc_loss {bound:g} was met on the half that the search used but not on the other{even}; give more "
            "--data or ask for a larger loss."
        )
    note = "on the report half every plan lost more than the bound; what this one does, chance explains"
    return replace(best, notes=(note,))


@dataclass(frozen=True, eq=False)
class Confirming:
    """Plans that the search accepted, measured on the report half: `found`, in the order of looking."""

    session: Session
    attempt: Callable[[float], tuple[Built, float]]
    found: list[Found] = field(default_factory=list)

    def within(self, tried: Tried[Built]) -> bool:
        """Whether the plan keeps the bound on the report half; where there are no halves, it needs no more."""
        evidence = self.session.measure(tried.attempt.emitted.tflite, "report")
        self.found.append(Found(tried.attempt, evidence, tried.loss))
        return self.session.examples.halves is None or evidence.loss <= self.session.options.max_acc_loss

    def made(self, factor: float) -> Tried[Built] | None:
        """A new plan, if it can be made and is within the bound on the search half."""
        try:
            built, loss = self.attempt(factor)
        except Infeasible:
            return None
        return Tried(factor, built, loss) if loss <= self.session.options.max_acc_loss else None

    def larger(self, than: Tried[Built], most: float) -> Iterator[Tried[Built]]:
        """A new plan halfway from the largest that was accepted to the whole network."""
        if than.factor < most and (made := self.made((than.factor + most) / 2)) is not None:
            yield made

    def refined(self, tried: Tried[Built], too_small: float | None) -> Found:
        """The most compressed plan found between `tried`, the last that was looked at, and one that loses too much."""
        best = self.found[-1]
        if too_small is None:
            return best
        low, high = too_small, tried.factor
        for _ in range(REFINEMENTS):
            if high - low < RESOLUTION:
                break
            middle = (low + high) / 2
            made = self.made(middle)
            if made is not None and self.within(made):
                best, high = self.found[-1], middle
            else:
                low = middle
        return replace(best, notes=(STEPPED_BACK,))


def refuted(evidence: Evidence, bound: float) -> bool:
    """The loss lies above the bound with all of its interval; where there is none, as it was measured."""
    return (evidence.loss if evidence.interval is None else evidence.interval[0]) > bound
