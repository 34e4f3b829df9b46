"""Choose which groups of weights live, and refit the living ones, in the output's metric.

    minimise  ½ tr(Γ (R − S)ᵀ Σ (R − S))   over S supported on k groups       (R: the kernel, or what a chain leaves)

Support. The rise of the loss when weight (i, j) is removed and all others adjust is, by the optimal brain surgeon
(Hassibi & Stork 1993), S_ij² / (2 [Σ⁻¹]_ii [Γ⁻¹]_jj) while every weight lives, and S_ij² Σ_ii Γ_jj / 2 once few do;
their geometric mean serves at every density. Groups are removed along a geometric schedule, values are refitted by
conjugate gradients after each cut, so one descent from dense yields a whole menu of densities. Exchanges (the
pruned groups that would gain most for the living ones that cost least) then polish a chosen density.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from compiler.decompose.effort import effort_of
from compiler.decompose.metric import Metric


@dataclass(frozen=True, eq=False)
class Sparse:
    """`values` (d, c_out) with zeros, `alive` (groups,) and the loss in nats of R − values."""

    values: np.ndarray
    alive: np.ndarray
    loss: float


class Pruner:
    """One target R, one metric, one structure: descent over densities, refits, exchanges."""

    def __init__(self, target: np.ndarray, metric: Metric, group_of: np.ndarray) -> None:
        self.metric = metric
        self.effort = effort_of(metric)
        self.target = target.reshape(len(metric.sigma), len(metric.gamma))
        self.group_of = group_of
        self.groups = int(group_of.max()) + 1
        self.size = np.bincount(group_of.ravel(), minlength=self.groups)
        self.curvature = metric.curvature
        self.saliency_weight = np.sqrt(metric.curvature / metric.surgeon)
        self.right_side = metric.sigma @ self.target @ metric.gamma

    def aim(self, target: np.ndarray) -> None:
        """A new R for the same metric and structure (a chain beside the branch has moved)."""
        self.target = target.reshape(self.target.shape)
        self.right_side = self.metric.sigma @ self.target @ self.metric.gamma

    def pool(self, per_weight: np.ndarray) -> np.ndarray:
        return np.bincount(self.group_of.ravel(), per_weight.ravel(), self.groups)

    def refit(self, values: np.ndarray, alive: np.ndarray, steps: int) -> np.ndarray:
        """Least squares on the support by Jacobi-preconditioned conjugate gradients from `values`."""
        mask = alive[self.group_of]
        values = values * mask
        residual = (self.right_side - self.metric.sigma @ values @ self.metric.gamma) * mask
        scaled = residual / self.curvature
        direction, energy = scaled, float(np.sum(residual * scaled))
        for _ in range(steps):
            image = (self.metric.sigma @ direction @ self.metric.gamma) * mask
            bend = float(np.sum(direction * image))
            if bend <= 0.0 or energy <= 0.0:
                break
            values = values + (energy / bend) * direction
            residual = residual - (energy / bend) * image
            scaled = residual / self.curvature
            energy, previous = float(np.sum(residual * scaled)), energy
            direction = scaled + (energy / previous) * direction
        return values

    def cut(self, values: np.ndarray, alive: np.ndarray, kept: int) -> np.ndarray:
        """The `kept` living groups of greatest saliency."""
        saliency = self.pool(values**2 * self.saliency_weight)
        saliency[~alive] = -1.0
        chosen = np.argpartition(-saliency, kept - 1)[:kept]
        survivors = np.zeros(self.groups, bool)
        survivors[chosen] = True
        return survivors & alive

    def descend(
        self,
        kept: Sequence[int],
        steps: int | None = None,
        beside: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> dict[int, Sparse]:
        """From dense down through every count in `kept`. `beside(values)` (d, c_out), where given, answers each cut
        with a new target: what a chain fitted to the rest now leaves to the branch. `steps`: conjugate gradient steps
        after each cut (default: as the metric's size allows)."""
        steps = self.effort.steps if steps is None else steps
        values, alive = self.target, np.ones(self.groups, bool)
        result: dict[int, Sparse] = {}
        level = self.groups
        for goal in sorted({k for k in kept if 0 < k <= self.groups}, reverse=True):
            while level > goal:
                level = max(goal, int(level * self.effort.cut))
                alive = self.cut(values, alive, level)
                values = self.refit(values, alive, steps)
                if beside is not None:
                    self.aim(beside(values))
            result[goal] = Sparse(values, alive, self.metric.loss(self.target - values))
        return result

    def exchange(self, start: Sparse, rounds: int = 6, steps: int = 8) -> Sparse:
        """Swap in the pruned groups that promise most for the living ones that cost least, while it helps."""
        best, share = start, 0.1
        kept = int(start.alive.sum())
        for _ in range(rounds):
            gradient = self.right_side - self.metric.sigma @ best.values @ self.metric.gamma
            gain = self.pool(gradient**2 / self.curvature)
            gain[best.alive] = -1.0
            swap = min(max(int(share * kept), 1), self.groups - kept)
            if swap == 0:
                break
            alive = best.alive.copy()
            alive[np.argsort(-gain, kind="stable")[:swap]] = True
            values = self.refit(best.values, alive, steps)
            alive = self.cut(values, alive, kept)
            values = self.refit(values, alive, steps)
            loss = self.metric.loss(self.target - values)
            if loss >= best.loss:
                share /= 2
                continue
            best = Sparse(values, alive, loss)
        return best
