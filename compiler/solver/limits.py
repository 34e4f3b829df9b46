"""Limits beside the budget: bytes of the file, RAM, time. What of them is a sum over sites becomes a row of the
knapsack; what is not, a cut.

    file      Σ file[l, c_l]                              ≤ limit     a sum
    time      Σ time[l, c_l]                              ≤ limit     a sum
    RAM       live[l, c_l] + Σ_k kept[k, c_k] + rest      ≤ limit     for every site l, and for the operators between

Sites run one after the other, and a choice leaves the shapes at a site's ends alone: while site l runs, what is alive
are the tensors that its own choice makes, and those of the network beside it. So the largest live set of a
plan is the largest of its sites' own, each known before (`live`), plus what interpreters keep for every operator
(`kept`), and rows express both. They bound RAM from below: tensors may not pack without gaps. So each solution's plan
is packed as a whole, and one that exceeds the limit is cut off, together with every candidate that would do the same
in its place; then the solver runs again. Where a target streams its operators, no site bounds RAM by itself: a few cuts
are tried, then every choice that splits a layer is left out, since one kernel for one kernel leaves the streams alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from compiler.backend.targets.plan_model import PlanModel
from compiler.solver.knapsack import Cut
from compiler.types import DENSE, Candidate, Choice, ConvSite

Menus = Mapping[str, Sequence[Candidate]]


@dataclass(frozen=True, slots=True)
class Limits:
    """None is no limit.

    file_bytes        of the artefact that is flashed.
    arena_bytes       RAM of one inference, as the target's tool counts it.
    activation_bytes  RAM of the activations alone, without what an interpreter keeps for each operator.
    latency_ratio     time as a share of the original's.
    """

    file_bytes: float | None = None
    arena_bytes: float | None = None
    activation_bytes: float | None = None
    latency_ratio: float | None = None


@dataclass(frozen=True)
class Rows:
    """Costs (n_l, m) of each site's candidates in m limits, and the limits (m,)."""

    costs: tuple[np.ndarray, ...]
    bounds: np.ndarray


@dataclass(frozen=True)
class Limited:
    """The limits of one run: `model` knows what plans of this network need on its target."""

    limits: Limits
    model: PlanModel

    def rows(self, menus: Menus, sites: Sequence[ConvSite]) -> Rows:
        """Time and RAM as rows. (Files share between sites, so their row is `fixed_params`' own.)"""
        columns: list[list[np.ndarray]] = []  # of each row, (n_l,) for each site
        bounds: list[float] = []
        model, names = self.model, [site.name for site in sites]

        def table(of: Callable[[str, Choice], float]) -> list[np.ndarray]:
            return [np.array([of(name, c.choice) for c in menus[name]], float) for name in names]

        if self.limits.latency_ratio is not None:
            dense = (model.site_time(name, DENSE) for name in names)
            columns.append([times - before for times, before in zip(table(model.site_time), dense, strict=True)])
            bounds.append(self.limits.latency_ratio * model.original_time - model.dense_time)
        for limit, rest, kept in (
            (self.limits.arena_bytes, model.rest_bytes, model.site_kept),
            (self.limits.activation_bytes, 0.0, nothing),
        ):
            if limit is None:
                continue
            live, beside = table(model.site_live), table(kept)
            columns.append(beside)
            bounds.append(limit - rest - model.live_elsewhere)
            for index, own in enumerate(live):
                if own.max() > model.live_elsewhere:  # else the row above says as much
                    columns.append([b + own if i == index else b for i, b in enumerate(beside)])
                    bounds.append(limit - rest)
        costs = tuple(
            np.array([column[i] for column in columns]).reshape(len(columns), len(menus[name])).T
            for i, name in enumerate(names)
        )
        return Rows(costs, np.array(bounds, float))

    def fits(self, plan: Mapping[str, Choice]) -> bool:
        """Whether the plan as a whole, packed, needs no more RAM than allowed."""
        limit = self.limits.arena_bytes
        return limit is None or self.model.fits(plan, limit)

    def cut(self, chosen: Mapping[str, Choice], menus: Menus) -> Cut | None:
        """Candidates of the plan `chosen` (every site, in order) that together need more RAM than allowed, none of
        which can be left out; None if all is well."""
        if self.fits(chosen):
            return None
        names, plan = list(chosen), dict(chosen)
        needed = []
        for name in names:
            thrifty = [plan | {name: choice} for choice in self._thrifty(menus[name], name)]
            if any(map(self.fits, thrifty)):
                needed.append(name)
            else:
                plan = min(thrifty, key=self.model.arena_bytes) if len(thrifty) > 1 else thrifty[0]
        if not needed:  # thrift everywhere is not enough: only this very plan is known to be wrong
            needed, plan = names, dict(chosen)
        cut = {names.index(name): (_index(menus[name], plan[name]),) for name in needed}
        last = needed[-1]
        if self.model.target.streams:  # each estimate plans the whole network
            return cut
        alike = tuple(i for i, c in enumerate(menus[last]) if not self.fits(plan | {last: c.choice}))
        return cut | {names.index(last): alike}

    def splitting(self, menus: Menus, sites: Sequence[ConvSite]) -> list[Cut]:
        """Of each site the candidates that make several operators of it."""
        cuts: list[Cut] = []
        for index, site in enumerate(sites):
            several = tuple(i for i, c in enumerate(menus[site.name]) if not is_one_operator(c.choice))
            if several:
                cuts.append({index: several})
        return cuts

    def _thrifty(self, menu: Sequence[Candidate], name: str) -> list[Choice]:
        """The choices of which no other adds less to the RAM of any plan, in what is alive and in what is kept."""
        elsewhere = self.model.live_elsewhere
        figures = {
            c.choice: (max(elsewhere, self.model.site_live(name, c.choice)), self.model.site_kept(name, c.choice))
            for c in menu
        }
        least: list[Choice] = []
        for choice in sorted(figures, key=lambda c: figures[c]):
            if all(figures[other][1] > figures[choice][1] for other in least):
                least.append(choice)
        return least


def is_one_operator(choice: Choice) -> bool:
    """Whether the layer stays one convolution, dense or stored sparse."""
    return choice.chain in ("dense", "none") and choice.structure in (None, "unstructured", "block")


def nothing(name: str, choice: Choice) -> float:
    return 0.0


def _index(menu: Sequence[Candidate], choice: Choice) -> int:
    return next(i for i, c in enumerate(menu) if c.choice == choice)
