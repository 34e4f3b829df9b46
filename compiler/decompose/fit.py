"""One kernel, one choice, one metric: the factors. The chain and the sparse branch are fitted in turn, each to what
the other leaves (block coordinate descent); a step that would raise the loss is not taken.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from compiler.decompose.cp import cp, cp_from
from compiler.decompose.effort import effort_of
from compiler.decompose.factors import Factors
from compiler.decompose.few_bits import few_bit_chain, few_bits
from compiler.decompose.metric import Metric
from compiler.decompose.svd import svd
from compiler.decompose.tucker2 import tucker2
from compiler.decompose.tucker4 import tucker4
from compiler.sparsity.prune import Pruner, Sparse
from compiler.sparsity.structures import STRUCTURES
from compiler.types import Choice

DECOMPOSITIONS: dict[str, Callable[..., Factors]] = {
    "svd": svd,
    "tucker2": tucker2,
    "tucker4": tucker4,
    "cp": cp,
}
UNPOLISHED = DECOMPOSITIONS | {"cp": partial(cp, polished=False)}
CONTINUED: dict[str, Callable[[np.ndarray, Metric, Factors], Factors]] = {"cp": cp_from}


def fit(
    kernel: np.ndarray,
    metric: Metric,
    choice: Choice,
    alternations: int | None = None,
    start: Factors | None = None,
) -> Factors:
    """Factors of an HWIO `kernel` as `choice` asks, nearest in `metric`. `alternations`: how often chain and branch
    take turns at most (default: as the metric's size allows); with one, components are as on a menu, not polished.
    `start`: factors of a kernel and metric nearby, from which a chain without a branch goes on where it can."""
    if choice.structure is None:
        return fit_chain(kernel, metric, choice, polished=alternations != 1, start=start)
    if choice.chain == "none":
        return Factors((), fit_sparse(kernel, metric, choice, None).values.reshape(kernel.shape))
    chain = fit_chain(kernel, metric, choice)
    sparse: Sparse | None = None
    for _ in range(effort_of(metric).alternations if alternations is None else alternations):
        sparse = fit_sparse(kernel - chain.reconstruct(), metric, choice, sparse)
        rest = kernel - sparse.values.reshape(kernel.shape)
        refitted = fit_chain(rest, metric, choice)
        if metric.loss(rest - refitted.reconstruct()) >= sparse.loss:  # decompositions are no global optima
            break
        chain = refitted
    assert sparse is not None, "at least one alternation"
    pruner = Pruner(kernel - chain.reconstruct(), metric, groups_of(kernel, choice))
    values = pruner.refit(sparse.values, sparse.alive, 12)
    return Factors(chain.chain, values.reshape(kernel.shape))


def fit_chain(
    kernel: np.ndarray, metric: Metric, choice: Choice, *, polished: bool = True, start: Factors | None = None
) -> Factors:
    """The chain alone, in few bits where `choice` asks for them; "dense" is the kernel itself."""
    if choice.chain == "dense":
        return Factors((("core", kernel if choice.is_int8 else few_bits(kernel, metric, choice.bits)),))
    if start is not None and choice.chain in CONTINUED:
        factors = CONTINUED[choice.chain](kernel, metric, start)
    else:
        factors = (DECOMPOSITIONS if polished else UNPOLISHED)[choice.chain](kernel, metric, *choice.ranks)
    return factors if choice.is_int8 else few_bit_chain(factors, kernel, metric, choice.bits)


def fit_sparse(kernel: np.ndarray, metric: Metric, choice: Choice, previous: Sparse | None) -> Sparse:
    """`choice.kept` groups of `kernel`: a descent from dense the first time, exchanges on the old support after."""
    pruner = Pruner(kernel, metric, groups_of(kernel, choice))
    if previous is None:
        return pruner.exchange(pruner.descend([choice.kept])[choice.kept], rounds=pruner.effort.exchanges)
    values = pruner.refit(previous.values, previous.alive, 8)
    return pruner.exchange(
        Sparse(values, previous.alive, metric.loss(pruner.target - values)), rounds=pruner.effort.exchanges // 2
    )


def groups_of(kernel: np.ndarray, choice: Choice) -> np.ndarray:
    """(k_h·k_w·c_in, c_out) group numbers of the choice's structure."""
    assert choice.structure is not None
    k_h, k_w, c_in, c_out = kernel.shape
    return STRUCTURES[choice.structure]((k_h, k_w, c_in, c_out), choice.block)
