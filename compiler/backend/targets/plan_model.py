"""Arena and time of plans on a target, from the int8 file of the network that is compressed: what limits are checked
with while the solver still chooses.

    model = PlanModel(dense_file, inventory.sites, target, arena_bytes, original_file)
    model.arena_bytes(plan)             RAM of a whole plan
    model.fits(plan, limit)             whether that is within a limit, which may be known sooner
    model.time_ratio(plan)              its time ÷ the original's
    model.site_live(name, choice)       what is alive while the site runs: no plan with this choice needs less (where
                                        the target streams, nothing can be said of a site alone, and it is 0)
    model.site_kept(name, choice)       what it adds to the RAM for good; these add up
    model.site_time(name, choice)       its share of the time; these add up

They are estimates (docs/targets.md says how good), moved so that this file's arena is the one that was measured;
the target's tool has the last word on the file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from compiler.backend.targets.graph import Graph, read_graph
from compiler.backend.targets.rewrite import local_graph, match_sites, rewrite
from compiler.backend.targets.target import Target
from compiler.types import Choice, ConvSite

Choices = Mapping[str, Choice]  # by name of the site; sites that are not named stay dense


class PlanModel:
    """Estimates for plans of one network on one target. `tflite` is the int8 file of the network that plans are of,
    as the target gets it, `arena_bytes` what the target's tool says of it (None: not known), `original` the file that
    times are ratios to (None: the same)."""

    def __init__(
        self,
        tflite: bytes,
        sites: Sequence[ConvSite],
        target: Target,
        arena_bytes: int | None = None,
        original: bytes | None = None,
    ) -> None:
        self.target = target
        self.graph = read_graph(tflite)
        self.sites = match_sites(self.graph, sites)
        self.operators: dict[str, list[int]] = defaultdict(list)
        for index, site in self.sites.items():
            self.operators[site.name].append(index)
        self.locals = {index: local_graph(self.graph, index) for index in range(len(self.graph.operators))}
        before = self.graph if original is None else read_graph(original)
        self.original_time, self.dense_time = target.estimate_time(before), target.estimate_time(self.graph)
        self.original_activations = target.packed_arena(before)
        estimate = target.estimate_arena(self.graph)
        self.error = 0 if arena_bytes is None else arena_bytes - estimate
        self.rest_bytes = target.kept_bytes(self.graph) + self.error
        elsewhere = (local for index, local in self.locals.items() if index not in self.sites)
        self.live_elsewhere = 0 if target.streams else max(map(target.packed_arena, elsewhere), default=0)
        self.known: dict[tuple[str, str, Choice], float] = {}
        self.thriftiest: dict[str, tuple[int, ...]] = {}  # of the run's menus, by unit

    def arena_bytes(self, plan: Choices) -> int:
        """RAM that the target's tool will plan for the network."""
        return self.target.estimate_arena(self._rewritten(plan)) + self.error

    def fits(self, plan: Choices, limit: float) -> bool:
        """Whether `arena_bytes` is within the limit."""
        return self.target.arena_fits(self._rewritten(plan), limit - self.error)

    def time_ratio(self, plan: Choices) -> float:
        """Time of the plan as a share of the original's."""
        return self.target.estimate_time(self._rewritten(plan)) / self.original_time

    def site_live(self, name: str, choice: Choice) -> float:
        """Bytes of the activations alive while this site runs, those beside it included."""
        if self.target.streams:
            return 0.0
        packed = self.target.packed_arena
        return self._once("live", name, choice, lambda: max(map(packed, self._alone(name, choice)), default=0))

    def site_kept(self, name: str, choice: Choice) -> float:
        """Bytes that this choice adds to what the tool keeps in RAM for good."""
        kept, before = self.target.kept_bytes, [self.locals[index] for index in self.operators.get(name, ())]
        return self._once(
            "kept", name, choice, lambda: sum(map(kept, self._alone(name, choice))) - sum(map(kept, before))
        )

    def site_time(self, name: str, choice: Choice) -> float:
        """Time of this site, in the unit of the target's processor, summed over its calls."""
        return self._once("time", name, choice, lambda: sum(map(self.target.estimate_time, self._alone(name, choice))))

    def _once(self, what: str, name: str, choice: Choice, compute: Callable[[], float]) -> float:
        key = (what, name, choice)
        if key not in self.known:
            self.known[key] = compute()
        return self.known[key]

    def _rewritten(self, plan: Choices) -> Graph:
        chosen = {index: (site, plan[site.name]) for index, site in self.sites.items() if site.name in plan}
        return rewrite(self.graph, chosen, self.target)

    def _alone(self, name: str, choice: Choice) -> Iterator[Graph]:
        for index in self.operators.get(name, ()):
            yield rewrite(self.locals[index], {0: (self.sites[index], choice)}, self.target)
