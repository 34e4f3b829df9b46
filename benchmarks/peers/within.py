"""The largest value of a method's one knob that keeps the budget, at the prices of the emitted file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.peers.bench import Bench
from compiler.errors import Infeasible
from compiler.types import DENSE, Choice

HALVINGS = 24


def share(bench: Bench, choices: Mapping[str, Choice]) -> float:
    """Priced share of the stored weight bytes that a plan keeps; sites that it does not name stay dense."""
    target, whole = bench.session.target, bench.session.original.figures.stored_weight_bytes
    dense = target.total((site, DENSE) for site in bench.sites).weight_bytes
    planned = target.total((site, choices.get(site.name, DENSE)) for site in bench.sites).weight_bytes
    return (whole - dense + planned) / whole


def within(kept: Callable[[float], float], budget: float, low: float = 0.0, high: float = 1.0) -> float:
    """The largest knob in [low, high], to 2⁻²⁴ of it, for which `kept(knob)`, rising with it, is at most `budget`.

    Raises Infeasible with the least that can be kept.
    """
    if kept(high) <= budget:
        return high
    if kept(low) > budget:
        raise Infeasible(f"the method can't keep less than {kept(low):.4f} of the stored weight bytes here.")
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if kept(middle) <= budget else (low, middle)
    return low


def saving(bench: Bench, choices: Mapping[str, Choice]) -> dict[str, Choice]:
    """Those of `choices` that make their layer smaller; the others would be left as they are by anybody."""
    target = bench.session.target
    smaller = {}
    for site in bench.sites:
        choice = choices.get(site.name, DENSE)
        if choice.is_dense or target.refusal(site, choice) is not None:
            continue
        if target.cost(site, choice).weight_bytes < target.cost(site, DENSE).weight_bytes:
            smaller[site.name] = choice
    return smaller
