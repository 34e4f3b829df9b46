"""Arena and time of plans on a target, from the original network's int8 file alone: what limits are checked with
while the solver still chooses.

    model = PlanModel(original_file, inventory.sites, target)
    model.arena_bytes(plan)                RAM of a whole plan
    model.time_ratio(plan)                 its time ÷ the original's
    model.site_arena_bytes(name, choice)   what no plan with this choice stays under
    model.site_time(name, choice)          its share of the time; shares add up

They are estimates (docs/targets.md says how good); the target's tool has the last word on the file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from compiler.backend.targets.graph import Graph, read_graph
from compiler.backend.targets.rewrite import local_graph, match_sites, rewrite
from compiler.backend.targets.target import Target
from compiler.types import Choice, ConvSite

Choices = Mapping[str, Choice]  # by name of the site; sites that are not named stay dense


class PlanModel:
    """Estimates for plans of one network on one target. `tflite` is the original's int8 file as the target gets it."""

    def __init__(self, tflite: bytes, sites: Sequence[ConvSite], target: Target) -> None:
        self.target = target
        self.graph = read_graph(tflite)
        self.sites = match_sites(self.graph, sites)
        self.operators: dict[str, list[int]] = defaultdict(list)
        for index, site in self.sites.items():
            self.operators[site.name].append(index)
        self.locals = {index: local_graph(self.graph, index) for index in self.sites}
        self.original_time = target.estimate_time(self.graph)

    def arena_bytes(self, plan: Choices) -> int:
        """RAM that the target's tool will plan for the network."""
        return self.target.estimate_arena(self._rewritten(plan))

    def time_ratio(self, plan: Choices) -> float:
        """Time of the plan as a share of the original's."""
        return self.target.estimate_time(self._rewritten(plan)) / self.original_time

    def site_arena_bytes(self, name: str, choice: Choice) -> int:
        """RAM while this site runs, with what lives beside it: a lower bound of every plan with this choice."""
        return max((self.target.estimate_arena(graph) for graph in self._alone(name, choice)), default=0)

    def site_time(self, name: str, choice: Choice) -> float:
        """Time of this site, in the unit of the target's processor, summed over its calls."""
        return sum(self.target.estimate_time(graph) for graph in self._alone(name, choice))

    def _rewritten(self, plan: Choices) -> Graph:
        chosen = {index: (site, plan[site.name]) for index, site in self.sites.items() if site.name in plan}
        return rewrite(self.graph, chosen, self.target)

    def _alone(self, name: str, choice: Choice) -> Iterator[Graph]:
        for index in self.operators.get(name, ()):
            yield rewrite(self.locals[index], {0: (self.sites[index], choice)}, self.target)
