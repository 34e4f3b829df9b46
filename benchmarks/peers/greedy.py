"""Ratios by sensitivity: each layer alone is tried at each ratio, and one score that no layer may fall below is common
to all; each layer takes the smallest ratio that keeps it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.peers.bench import Bench
from benchmarks.peers.within import saving, share, within
from compiler.types import Choice, ConvSite

RATIOS = tuple(i / 10 for i in range(1, 10))


def greedy(
    bench: Bench,
    choice_of: Callable[[ConvSite, float], Choice],
    score_of: Callable[[ConvSite, Choice], float] | None,
) -> dict[str, Choice]:
    """`choice_of(site, ratio)`; `score_of` is higher the better, None where nothing can be measured: then the ratio is
    the same for all layers. Raises Infeasible."""
    if score_of is None:

        def alike(ratio: float) -> dict[str, Choice]:
            return saving(bench, {site.name: choice_of(site, ratio) for site in bench.sites})

        return alike(within(lambda ratio: share(bench, alike(ratio)), bench.budget))

    offers: dict[str, list[tuple[float, float, Choice]]] = {}  # (ratio, score, choice), the smallest ratio first
    for site in bench.sites:
        choices = {choice_of(site, ratio): ratio for ratio in reversed(RATIOS)}
        offered = saving_of(bench, site, choices)
        offers[site.name] = sorted((ratio, score_of(site, choice), choice) for choice, ratio in offered.items())
    scores = sorted({score for entries in offers.values() for _, score, _ in entries})

    def plan(position: float) -> dict[str, Choice]:
        """All layers at the score that stands at `position` (0 to 1) of all scores; at 1 nothing is compressed."""
        index = round(position * len(scores))
        threshold = scores[index] if index < len(scores) else float("inf")
        found = {}
        for name, entries in offers.items():
            good = [choice for _, score, choice in entries if score >= threshold]
            if good:
                found[name] = good[0]
        return found

    return plan(within(lambda position: share(bench, plan(position)), bench.budget))


def saving_of(bench: Bench, site: ConvSite, choices: Mapping[Choice, float]) -> dict[Choice, float]:
    """Those that make the layer smaller."""
    return {choice: ratio for choice, ratio in choices.items() if saving(bench, {site.name: choice})}
