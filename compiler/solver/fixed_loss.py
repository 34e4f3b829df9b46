"""The most compression whose loss stays within a bound: a bisection over the budget, the loss measured each time.

The solver's own prediction orders the plans; only measurements accept one. Loss is taken to grow as less is kept,
which holds up to the noise of the examples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from compiler.errors import Infeasible

MOST_EVALUATIONS = 12
RESOLUTION = 0.012  # of the original network: closer than this the search stops

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Tried(Generic[T]):
    """One budget, what came of it and the loss measured."""

    factor: float
    attempt: T
    loss: float


def fixed_loss(
    attempt: Callable[[float], tuple[T, float]],
    lowest: float,
    bound: float,
    highest: float = 1.0,
    *,
    most: int = MOST_EVALUATIONS,
    say: Callable[[str], None] = lambda text: None,
    estimated: bool = False,
) -> list[Tried[T]]:
    """Attempts within `bound`, the most compressed last (those before it are where to step back to).

    `attempt(factor)` returns (what was made, its measured loss) or raises Infeasible, which counts as too much: a file
    may break a limit that its plan kept. `lowest` is the smallest reachable factor, `highest` that of the plan that
    leaves every layer dense. `estimated`: the losses are estimates, and called so. Raises Infeasible when even that
    plan can't be made or loses more than the bound.
    """
    loses = "loses an estimated" if estimated else "loses"
    accepted: list[Tried[T]] = []
    low, high, factor = lowest, highest, max(lowest, 0.5)
    for evaluation in range(most):
        try:
            made, loss = attempt(factor)
        except Infeasible:
            if factor >= highest:
                raise
            within = False
            say(f"factor {factor:.3f} can't be met")
        else:
            within = loss <= bound
            best = f"; best so far {accepted[-1].factor:.3f}" if accepted and not within else ""
            say(f"factor {factor:.3f} {loses} {100 * loss:.2f} %" + ("" if within else ", too much") + best)
        if within:
            accepted.append(Tried(factor, made, loss))
            high = factor
        else:
            low = factor
        if high - low < RESOLUTION or (within and factor <= lowest + 1e-9):
            break
        remaining = most - evaluation - 1
        factor = (low + high) / 2 if accepted or remaining > 1 else highest
    if not accepted:
        if low < highest:
            made, loss = attempt(highest)
        if loss > bound:
            raise Infeasible(
                f"--max_acc_loss {bound:g} can't be met: even with every layer left dense the int8 file {loses} "
                f"{100 * loss:.2f} %; ask for more, or give --calibration_data"
                + (", or --data to measure it." if estimated else ".")
            )
        accepted.append(Tried(highest, made, loss))
    return sorted(accepted, key=lambda tried: -tried.factor)
