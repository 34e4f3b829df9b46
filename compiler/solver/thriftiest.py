"""The plan that needs least RAM where operators run as streams, so that no layer has a share of it: found by trying.

A layer's choices of one kind (whole, or split in one way) run through the same operators, and need the less RAM the
less they keep. So the smallest of each kind stands for it: every kind in all layers at once, then, from the best of
these plans, layer by layer as long as that helps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compiler.backend.targets.plan_model import PlanModel
from compiler.solver.limits import Menus, is_one_operator
from compiler.types import Candidate, Choice

Picks = tuple[int, ...]
Kind = tuple[str, str | None]
WHOLE: Kind = ("dense", None)


def thriftiest(menus: Menus, units: Sequence[np.ndarray], model: PlanModel) -> Picks:
    """One pick for each site of `menus`, in that order; `units`, (n_l,) each, are what the candidates keep."""
    names = list(menus)
    kinds = [smallest_of_kinds(menus[name], unit) for name, unit in zip(names, units, strict=True)]

    def plan(picks: Picks) -> dict[str, Choice]:
        return {name: menus[name][pick].choice for name, pick in zip(names, picks, strict=True)}

    smallest = tuple(int(np.argmin(unit)) for unit in units)

    def everywhere(kind: Kind) -> Picks:
        """In all layers that have it; others stay whole."""
        return tuple(own.get(kind, own.get(WHOLE, pick)) for own, pick in zip(kinds, smallest, strict=True))

    starts = [smallest, *map(everywhere, dict.fromkeys(kind for own in kinds for kind in own))]
    picks = min(starts, key=lambda start: model.arena_bytes(plan(start)))
    least, before = model.arena_bytes(plan(picks)), None
    while picks != before:
        before = picks
        for site, own in enumerate(kinds):
            for pick in own.values():
                moved = (*picks[:site], pick, *picks[site + 1 :])
                if moved != picks and model.fits(plan(moved), least - 1):
                    picks, least = moved, model.arena_bytes(plan(moved))
    return picks


def smallest_of_kinds(menu: Sequence[Candidate], unit: np.ndarray) -> dict[Kind, int]:
    """The index of the candidate that keeps least, of each kind."""
    found: dict[Kind, int] = {}
    for index in np.argsort(unit, kind="stable"):
        choice = menu[index].choice
        found.setdefault(WHOLE if is_one_operator(choice) else (choice.chain, choice.structure), int(index))
    return found
