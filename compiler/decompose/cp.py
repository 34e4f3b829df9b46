"""CP decomposition of a kernel in the output's metric: first 1×1 (U), depthwise k×k (D), last 1×1 (V).

    K[p, i, o] ≈ Σ_r U[i, r] D[p, r] V[r, o]              p: kernel position, r: one of `rank` components

Whiten the channel modes, K_w = C^½ K Γ^½ at each position; the loss is then ½⟨E, S E⟩ with E = K_w − K̂_w, and S the
inputs' covariance in those coordinates, whose blocks of one position average to the identity.
All three factors move at once: Levenberg-Marquardt steps, each a linear least-squares problem in
J(δ) = δU D V + U δD V + U D δV, solved by conjugate gradients with J's own diagonal as preconditioner. Alternating
least squares took six times the products with S. A ridge holds back pairs of large components that cancel, which a
float network bears and an int8 one pays for (Phan et al. 2020, there by a bound on the components' norms).
Components are added where the residual is largest, so that one pass up a ladder of ranks fits all of them.

Hitchcock, "The expression of a tensor or a polyadic as a sum of products", 1927; of kernels: Lebedev et al., "Speeding
up convolutional neural networks using fine-tuned CP-decomposition", 2015; Phan et al., "Stable low-rank tensor
decomposition for compression of convolutional neural network", 2020; damping: Marquardt 1963.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.linalg

from compiler.decompose.effort import effort_of
from compiler.decompose.factors import Factors
from compiler.decompose.metric import Metric, symmetric_roots

# Of the kernel's loss a channel. An intermediate int8 tensor adds noise of about 2e-4 of each component's variance: at
# 1e-2 ResNet-20's components are half as loud as at 1e-3, which wins more than the ridge costs; at 3e-2 no longer.
RIDGE = 1e-2
DAMPING = 0.3  # to begin with
HARDER, SOFTER = 4.0, 3.0  # times it behind a step that fails, divided by it behind one that wins
SETTLED, PATIENCE = 2e-3, 2  # so many steps in a row that win less than this share of the loss are the last
EMPTY = 1e-4  # of the largest singular value: an input direction in which a residual is nothing
FLAT = 1e-6  # added to a Gram matrix whose components may be parallel, or nothing


@dataclass(frozen=True, eq=False)
class Whitened:
    """`kernel` (positions·c_in, c_out) of norm 1 in the coordinates in which Γ is the identity, and its `sigma`;
    `inputs`, C^½ and C^-½, and `outputs`, Γ^½ over the norm and Γ^-½ times it, lead there and back; `unit`: nats of a
    loss of 1."""

    kernel: np.ndarray
    sigma: np.ndarray
    inputs: tuple[np.ndarray, np.ndarray]
    outputs: tuple[np.ndarray, np.ndarray]
    unit: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """(positions, c_in, c_out)."""
        c_in, c_out = len(self.inputs[0]), len(self.outputs[0])
        return len(self.kernel) // c_in, c_in, c_out

    @cached_property
    def ridge(self) -> float:
        """What a squared unit of a factor costs."""
        return RIDGE * float(np.vdot(self.kernel, self.sigma @ self.kernel)) / 2 / self.shape[1]


def whiten(kernel: np.ndarray, metric: Metric) -> Whitened:
    """An HWIO kernel and its metric."""
    assert isinstance(metric.sigma, np.ndarray), "a kernel too wide for its covariance has no CP chain"
    c_in, c_out = kernel.shape[2:]
    inputs, (root, inverse_root) = symmetric_roots(metric.channel_covariance(c_in)), metric.gamma_roots
    blocks = metric.sigma.reshape(-1, c_in, len(metric.sigma))
    half = np.matmul(inputs[1], blocks).reshape(len(metric.sigma), -1, c_in)
    sigma = np.matmul(half, inputs[1]).reshape(metric.sigma.shape)
    flat = (inputs[0] @ kernel @ root).reshape(-1, c_out)
    norm = float(np.linalg.norm(flat)) or 1.0
    return Whitened(flat / norm, sigma, inputs, (root / norm, inverse_root * norm), norm**2)


@dataclass(frozen=True, eq=False)
class Components:
    """U (c_in, r), D (positions, r), V (r, c_out), whitened."""

    first: np.ndarray
    depthwise: np.ndarray
    last: np.ndarray

    @property
    def rank(self) -> int:
        return len(self.last)

    @cached_property
    def patterns(self) -> np.ndarray:
        """U D: what each component reads of a patch, (positions·c_in, r)."""
        return (self.first[None] * self.depthwise[:, None]).reshape(-1, self.rank)

    def kernel(self) -> np.ndarray:
        return self.patterns @ self.last

    def change(self, step: Components) -> np.ndarray:
        """J(step): how the kernel moves, to first order."""
        moved = step.first[None] * self.depthwise[:, None] + self.first[None] * step.depthwise[:, None]
        return moved.reshape(-1, self.rank) @ self.last + self.patterns @ step.last

    def slope(self, rows: np.ndarray) -> Components:
        """Jᵀ(rows)."""
        maps = (rows @ self.last.T).reshape(len(self.depthwise), len(self.first), self.rank)
        return Components(
            np.einsum("pir,pr->ir", maps, self.depthwise),
            np.einsum("pir,ir->pr", maps, self.first),
            self.patterns.T @ rows,
        )

    def plus(self, step: Components, scale: float = 1.0) -> Components:
        return Components(
            self.first + scale * step.first,
            self.depthwise + scale * step.depthwise,
            self.last + scale * step.last,
        )

    def over(self, divisor: Components) -> Components:
        return Components(self.first / divisor.first, self.depthwise / divisor.depthwise, self.last / divisor.last)

    def times(self, factor: Components) -> Components:
        return Components(self.first * factor.first, self.depthwise * factor.depthwise, self.last * factor.last)

    def dot(self, other: Components) -> float:
        return float(
            np.vdot(self.first, other.first) + np.vdot(self.depthwise, other.depthwise) + np.vdot(self.last, other.last)
        )

    def balanced(self) -> Components:
        """The same kernel, every component's three vectors of one length."""
        norms = np.stack(self.squares()) ** 0.5 + 1e-12
        own = norms / norms.prod(axis=0) ** (1 / 3)
        return Components(self.first / own[0], self.depthwise / own[1], self.last / own[2][:, None])

    def squares(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Squared lengths of the vectors, by component."""
        return (self.first**2).sum(0), (self.depthwise**2).sum(0), (self.last**2).sum(1)

    def curvature(self) -> Components:
        """The diagonal of JᵀJ; S's is near the identity's."""
        u, d, v = self.squares()
        return Components(
            np.broadcast_to(d * v, self.first.shape),
            np.broadcast_to(u * v, self.depthwise.shape),
            np.broadcast_to((u * d)[:, None], self.last.shape),
        )


def beginning(residual: np.ndarray, shape: tuple[int, int, int], count: int) -> Components:
    """At most `count` components of a residual: along its input directions that are not empty, whose components no step
    would ever move, the best of rank one; where these are too few, the next best, too."""
    positions, c_in, c_out = shape
    maps = residual.reshape(shape)
    left, sizes, _ = np.linalg.svd(maps.transpose(1, 0, 2).reshape(c_in, -1), full_matrices=False)
    live = min(count, max(1, int(np.sum(sizes > EMPTY * sizes[0]))))
    terms = min(-(-count // live), positions, c_out)
    slices = np.einsum("ir,pio->rpo", left[:, :live], maps, optimize=True)
    space, singular, outputs = np.linalg.svd(slices, full_matrices=False)
    last = (singular[:, :terms, None] * outputs[:, :terms]).transpose(1, 0, 2).reshape(terms * live, c_out)
    return Components(
        np.tile(left[:, :live], (1, terms))[:, :count],
        space[:, :, :terms].transpose(1, 2, 0).reshape(positions, terms * live)[:, :count],
        last[:count],
    )


def joined(components: Components | None, more: Components) -> Components:
    if components is None:
        return more
    return Components(
        np.hstack([components.first, more.first]),
        np.hstack([components.depthwise, more.depthwise]),
        np.vstack([components.last, more.last]),
    )


def regressed(components: Components, whitened: Whitened) -> Components:
    """V that loses least with U and D as they are."""
    patterns = components.patterns
    mapped = whitened.sigma @ patterns
    gram = patterns.T @ mapped
    gram += (whitened.ridge + FLAT * (1.0 + float(np.trace(gram)) / len(gram))) * np.eye(len(gram), dtype=gram.dtype)
    factor = scipy.linalg.cho_factor(gram, lower=True)
    return replace(components, last=scipy.linalg.cho_solve(factor, mapped.T @ whitened.kernel))


def polish(components: Components, whitened: Whitened, steps: tuple[int, int]) -> tuple[Components, float]:
    """At most so many Levenberg-Marquardt steps of so many conjugate gradients each; (components, loss in nats)."""
    ridge, damping, idle = whitened.ridge, DAMPING, 0
    best = regressed(components.balanced(), whitened).balanced()
    image, loss, held = judged(best, whitened)
    for _ in range(steps[0]):
        moved = best.plus(step_of(best, image, whitened.sigma, ridge, damping, steps[1])).balanced()
        moved_image, moved_loss, moved_held = judged(moved, whitened)
        if not moved_held < held:
            damping *= HARDER
            continue
        idle = idle + 1 if moved_held > held * (1 - SETTLED) else 0
        best, image, loss, held = moved, moved_image, moved_loss, moved_held
        damping /= SOFTER
        if idle >= PATIENCE:
            break
    return best, loss * whitened.unit


def judged(components: Components, whitened: Whitened) -> tuple[np.ndarray, float, float]:
    """S E, the loss, and the loss with the ridge."""
    rest = whitened.kernel - components.kernel()
    image = whitened.sigma @ rest
    loss = 0.5 * float(np.vdot(rest, image))
    return image, loss, loss + whitened.ridge / 2 * components.dot(components)


def step_of(
    at: Components, image: np.ndarray, sigma: np.ndarray, ridge: float, damping: float, inner: int
) -> Components:
    """The damped step: (JᵀSJ + damping · diag JᵀJ + ridge) δ = JᵀS E − ridge · (U, D, V)."""
    curvature = at.curvature()
    floor = Components(*(np.full_like(part, ridge + 1e-12) for part in (at.first, at.depthwise, at.last)))
    diagonal = floor.plus(curvature, 1 + damping)
    residual = at.slope(image).plus(at, -ridge)
    scaled = residual.over(diagonal)
    step, direction = at.plus(at, -1.0), scaled  # from zero
    energy = start = residual.dot(scaled)
    for _ in range(inner):
        turned = at.slope(sigma @ at.change(direction))
        turned = turned.plus(direction.times(curvature), damping).plus(direction, ridge)
        bend = direction.dot(turned)
        if not bend > 0:
            break
        step = step.plus(direction, energy / bend)
        residual = residual.plus(turned, -energy / bend)
        scaled = residual.over(diagonal)
        energy, previous = residual.dot(scaled), energy
        if energy < 1e-3 * start:
            break
        direction = scaled.plus(direction, energy / previous)
    return step


def cp_ladder(kernel: np.ndarray, metric: Metric, ranks: Sequence[int]) -> Iterator[tuple[int, float]]:
    """(rank, loss in nats) of a cheap fit at each of `ranks`, ascending."""
    effort, whitened = effort_of(metric), whiten(kernel, metric)
    components: Components | None = None
    for rank in ranks:
        components, loss = raised(components, whitened, rank, effort.cp_steps)
        yield rank, loss


def raised(
    components: Components | None, whitened: Whitened, rank: int, steps: tuple[int, int]
) -> tuple[Components, float]:
    """Components of a fit of more of them, c_in more at a time."""
    loss = 0.0
    while components is None or components.rank < rank:
        rest = whitened.kernel if components is None else whitened.kernel - components.kernel()
        missing = rank - (0 if components is None else components.rank)
        more = beginning(rest, whitened.shape, min(missing, whitened.shape[1]))
        components, loss = polish(joined(components, more), whitened, steps)
    return components, loss


def cp(kernel: np.ndarray, metric: Metric, rank: int, *, polished: bool = True) -> Factors:
    """Best found chain of an HWIO kernel with `rank` components (more than c_in and c_out, if that is asked); not
    `polished`: as good as on a ladder."""
    effort, whitened = effort_of(metric), whiten(kernel, metric)
    components, _ = raised(None, whitened, rank, effort.cp_steps)
    if polished:
        components, _ = polish(components, whitened, effort.cp_last_steps)
    return unwhitened(components, whitened, kernel.shape)


def cp_from(kernel: np.ndarray, metric: Metric, start: Factors) -> Factors:
    """The same from a chain that was fitted to a kernel and in a metric near these: sooner done, and as a rule better,
    since all of its components were polished before."""
    whitened, factors = whiten(kernel, metric), dict(start.chain)
    components = Components(
        whitened.inputs[0] @ factors["first"][0, 0],
        factors["depthwise"].reshape(whitened.shape[0], -1),
        factors["last"][0, 0] @ whitened.outputs[0],
    )
    components, _ = polish(components, whitened, effort_of(metric).cp_last_steps)
    return unwhitened(components, whitened, kernel.shape)


def unwhitened(components: Components, whitened: Whitened, shape: tuple[int, ...]) -> Factors:
    """The chain for an HWIO kernel of this shape."""
    return Factors(
        (
            ("first", (whitened.inputs[1] @ components.first)[None, None]),
            ("depthwise", components.depthwise.reshape(*shape[:2], -1, 1)),
            ("last", (components.last @ whitened.outputs[1])[None, None]),
        )
    )
