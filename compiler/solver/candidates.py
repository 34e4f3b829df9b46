"""The menu of one site: every choice that its target can hold, with its price and its predicted loss.

Losses are those of one cheap fit a choice (all ranks of a decomposition from one factorisation, all densities of a
structure from one descent, one alternation for hybrids), in the output's metric. The chosen entries are fitted with
care later, so a menu's losses are upper bounds (but of coded weights, which trade loss for bits), and comparable with
each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from compiler.backend.targets.constraints import GRID, IN_FEW_BITS, most_components
from compiler.backend.targets.target import Target
from compiler.decompose.cp import cp_ladder
from compiler.decompose.effort import Effort, effort_of
from compiler.decompose.factors import Factors
from compiler.decompose.few_bits import few_bit_chain, few_bits
from compiler.decompose.metric import Metric
from compiler.decompose.row_covariance import RowCovariance
from compiler.decompose.svd import follow, regression_on_inputs, svd
from compiler.decompose.tucker2 import factors_of, input_basis, regress_on
from compiler.decompose.tucker4 import assemble4, regress_on_vertical, vertical_basis
from compiler.sparsity.prune import Pruner
from compiler.sparsity.structures import STRUCTURES
from compiler.types import DENSE, FEW_BITS, Candidate, Choice, ConvSite

AUTO_BLOCKS = ((2, 1), (1, 2), (2, 2), (4, 1), (4, 4))

FEW_BIT_SHARES = (0.1, 0.14, 0.2, 0.28, 0.36, 0.46, 0.58, 0.72, 0.9)  # of the dense weights, in a chain

Entry = tuple[Choice, float]


@dataclass(frozen=True, slots=True)
class Menu:
    """What a run allows on every site's menu."""

    chains: tuple[str, ...]  # of "tucker2", "tucker4", "cp"; each brings "svd" for 1×1 and Dense
    structures: tuple[tuple[str, tuple[int, int] | None], ...]  # (structure, block)
    hybrid: bool  # chains with a sparse branch beside them
    few_bits: tuple[float, ...] = ()  # a weight, of whole kernels and short chains


def menu_of(compression_type: str, pruning_structure: str, block_size: tuple[int, int], weight_bits: int = 8) -> Menu:
    """The menu that `--compression_type`, `--pruning_structure`, `--block_size` and `--weight_bits` stand for."""
    few = tuple(bits for bits in FEW_BITS if math.ceil(bits) >= weight_bits)
    structures: list[tuple[str, tuple[int, int] | None]]
    if pruning_structure == "auto":
        blocks = dict.fromkeys((block_size, *AUTO_BLOCKS))
        structures = [("unstructured", None), ("channel", None), ("filter", None), *(("block", b) for b in blocks)]
    else:
        structures = [(pruning_structure, block_size if pruning_structure == "block" else None)]
    match compression_type:
        case "tucker":
            return Menu(("tucker2",), (), hybrid=False, few_bits=few)
        case "tucker4":
            return Menu(("tucker4",), (), hybrid=False, few_bits=few)
        case "cp":
            return Menu(("cp",), (), hybrid=False, few_bits=few)
        case "spars":
            return Menu((), tuple(structures), hybrid=False, few_bits=few)
    return Menu(("tucker2", "tucker4", "cp"), tuple(structures), hybrid=True, few_bits=few)


def candidates(site: ConvSite, kernel: np.ndarray, metric: Metric, target: Target, menu: Menu) -> tuple[Candidate, ...]:
    """Every candidate of a site that nothing cheaper beats, "dense" always among them."""
    structures = [s for s in menu.structures if fits(site, s) and target.realises(s[0])]
    entries: list[Entry] = [(DENSE, 0.0)]
    effort = effort_of(metric)
    chains = list(chain_entries(site, kernel, metric, target, menu.chains, effort))
    entries += chains
    structures = list(finest(structures, effort.structures))
    branches = list(sparse_entries(site, kernel, metric, structures, effort))
    entries += branches
    if menu.hybrid and chains and branches and not has_components(chains):
        best = best_structures(site, branches, target, structures, effort.hybrid_structures)
        entries += hybrid_entries(site, kernel, metric, chains, best, effort)
    for bits in menu.few_bits:
        if target.refusal(site, Choice(bits=bits)) is None:
            entries += few_bit_entries(site, kernel, metric, chains, bits)
    priced = [
        Candidate(choice, target.cost(site, choice), loss)
        for choice, loss in entries
        if target.refusal(site, choice) is None
    ]
    return pareto(priced)


def has_components(chains: Sequence[Entry]) -> bool:
    """Whether CP is among them, beside which no chain with a branch is tried: it doubled the time of pricing, and won
    0.7 % of the least loss at 0.2 to 0.8 of the weights (nine layers of ResNet-20 on mobile; 0.0 % on c)."""
    return any(choice.chain == "cp" for choice, _ in chains)


def finest(
    structures: Sequence[tuple[str, tuple[int, int] | None]], count: int
) -> Sequence[tuple[str, tuple[int, int] | None]]:
    """At most `count` of them, those of the smallest groups, which lose least."""
    if len(structures) <= count:
        return structures
    order = ("unstructured", "block", "channel", "filter")
    return sorted(structures, key=lambda structure: order.index(structure[0]))[:count]


def fits(site: ConvSite, structure: tuple[str, tuple[int, int] | None]) -> bool:
    """Whether a structure means anything at this site: blocks divide its channels, groups are more than one."""
    name, block = structure
    if name == "block":
        assert block is not None
        return site.c_in % block[0] == 0 and site.c_out % block[1] == 0
    return not (name == "channel" and site.c_in < 2) and not (name == "filter" and site.c_out < 2)


def ranks_on_grid(channels: int, grid: int, count: int) -> list[int]:
    """At most about `count` ranks from one grid step up to `channels` itself."""
    step = max(grid, -(-channels // count) // grid * grid)
    return [*range(step, channels, step), channels]


def chain_entries(
    site: ConvSite, kernel: np.ndarray, metric: Metric, target: Target, chains: Sequence[str], effort: Effort
) -> Iterator[Entry]:
    """Chains without a sparse branch."""
    if not chains:
        return
    if site.kernel_size == (1, 1):
        losses = regression_on_inputs(metric)(kernel).losses
        for rank in ranks_on_grid(min(site.c_in, site.c_out), target.rank_grid("r", site.c_out), 48):
            if rank * (site.c_in + site.c_out) < site.weights:
                yield Choice("svd", (rank,)), float(losses[rank])
        return
    if isinstance(metric.sigma, RowCovariance):
        return  # a core's regression needs Σ whole
    if "cp" in chains and target.refusal(site, Choice("cp", (GRID,))) is None:
        for rank, loss in cp_ladder(kernel, metric, cp_ranks(site, target.rank_grid("r", site.c_out), effort)):
            yield Choice("cp", (rank,)), loss
    if not {"tucker2", "tucker4"} & set(chains):
        return
    out_ranks = ranks_on_grid(site.c_out, target.rank_grid("r_out", site.c_out), 64)
    basis = input_basis(kernel, metric)
    if "tucker2" in chains:
        for r_in in ranks_on_grid(site.c_in, target.rank_grid("r_in", site.c_in), effort.input_ranks):
            losses = regress_on(basis[:, :r_in], kernel, metric).regression.losses
            for r_out in out_ranks:
                if r_out < len(losses) and (r_in, r_out) != (site.c_in, site.c_out):
                    yield Choice("tucker2", (r_in, r_out)), float(losses[r_out])
    if "tucker4" in chains and min(site.kernel_size) > 1 and effort.split_ranks:
        for r_in in ranks_on_grid(site.c_in, target.rank_grid("r_in", site.c_in), effort.split_ranks):
            first = basis[:, :r_in]
            vertical = vertical_basis(regress_on(first, kernel, metric), kernel.shape)
            grid = target.rank_grid("r_mid", vertical.shape[2])
            for r_mid in ranks_on_grid(vertical.shape[2], grid, effort.split_ranks):
                losses = regress_on_vertical(first, vertical[:, :, :r_mid], kernel, metric).losses
                for r_out in out_ranks:
                    if r_out < len(losses):
                        yield Choice("tucker4", (r_in, r_mid, r_out)), float(losses[r_out])


def cp_ranks(site: ConvSite, grid: int, effort: Effort) -> list[int]:
    """Numbers of components that are these shares of the dense weights, ascending."""
    k_h, k_w = site.kernel_size
    whole = site.weights / (site.c_in + k_h * k_w + site.c_out)
    ranks = (round(share * whole / grid) * grid for share in effort.cp_shares)
    return sorted({rank for rank in ranks if 0 < rank <= most_components(site)})


def sparse_entries(
    site: ConvSite,
    kernel: np.ndarray,
    metric: Metric,
    structures: Sequence[tuple[str, tuple[int, int] | None]],
    effort: Effort,
) -> Iterator[Entry]:
    """The sparse branch alone, over structures and densities."""
    for name, block in structures:
        pruner = Pruner(kernel, metric, STRUCTURES[name](site.kernel_shape, block))
        counts = [round(d * pruner.groups) for d in effort.densities]
        for kept, sparse in pruner.descend(counts).items():
            yield Choice("none", (), name, block, kept), sparse.loss


def best_structures(
    site: ConvSite,
    branches: Sequence[Entry],
    target: Target,
    structures: Sequence[tuple[str, tuple[int, int] | None]],
    count: int,
) -> list[tuple[str, tuple[int, int] | None]]:
    """The structures that lose least, averaged (in log) over the prices 0.2 to 0.5 of the dense site."""
    dense = target.cost(site, DENSE).weight_bytes
    grid = np.linspace(0.2, 0.5, 7)

    def score(structure: tuple[str, tuple[int, int] | None]) -> float:
        own = [(c, lo) for c, lo in branches if (c.structure, c.block) == structure]
        share = np.array([target.cost(site, c).weight_bytes / dense for c, _ in own])
        order = np.argsort(share)
        log_loss = np.log(np.maximum([lo for _, lo in own], 1e-12))
        return float(np.mean(np.interp(grid, share[order], log_loss[order])))

    return sorted(structures, key=score)[:count]


def hybrid_entries(
    site: ConvSite,
    kernel: np.ndarray,
    metric: Metric,
    chains: Sequence[Entry],
    structures: Sequence[tuple[str, tuple[int, int] | None]],
    effort: Effort,
) -> Iterator[Entry]:
    """A few chains along their front, each with a sparse branch of what it leaves, over densities."""
    for choice in chain_anchors(site, chains, effort.hybrid_shares):
        left_by_chain = chain_beside(kernel, metric, choice)
        for name, block in structures:
            start = left_by_chain(np.zeros((len(metric.sigma), len(metric.gamma)), kernel.dtype))
            pruner = Pruner(start, metric, STRUCTURES[name](site.kernel_shape, block))
            counts = [round(d * pruner.groups) for d in effort.hybrid_densities]
            for kept, sparse in pruner.descend(counts, beside=left_by_chain).items():
                yield Choice(choice.chain, choice.ranks, name, block, kept), sparse.loss


def few_bit_entries(
    site: ConvSite, kernel: np.ndarray, metric: Metric, chains: Sequence[Entry], bits: float
) -> Iterator[Entry]:
    """The whole kernel in `bits` a weight, and a few chains along their front."""
    yield Choice(bits=bits), metric.loss(kernel - few_bits(kernel, metric, bits, coupled=False))
    if isinstance(metric.sigma, RowCovariance):
        return
    short = [entry for entry in chains if entry[0].chain in IN_FEW_BITS]
    for choice in chain_anchors(site, short, FEW_BIT_SHARES):
        rounded = few_bit_chain(cheap_chain(kernel, metric, choice), kernel, metric, bits, coupled=False)
        yield replace(choice, bits=bits), metric.loss(kernel - rounded.reconstruct())


def cheap_chain(kernel: np.ndarray, metric: Metric, choice: Choice) -> Factors:
    """The "svd" or "tucker2" that its price on the menu is of."""
    if choice.chain == "svd":
        return svd(kernel, metric, *choice.ranks)
    r_in, r_out = choice.ranks
    return factors_of(regress_on(input_basis(kernel, metric)[:, :r_in], kernel, metric), kernel.shape, metric, r_out)


def chain_anchors(site: ConvSite, chains: Sequence[Entry], shares: Sequence[float]) -> list[Choice]:
    """For each share, the chain of least loss within that share of the dense weights."""
    anchors: dict[Choice, None] = {}
    for share in shares:
        within = [(loss, i) for i, (c, loss) in enumerate(chains) if chain_weights(site, c) <= share * site.weights]
        if within:
            anchors[chains[min(within)[1]][0]] = None
    return list(anchors)


def chain_weights(site: ConvSite, choice: Choice) -> int:
    """Number of weights of a chain that a branch may stand beside."""
    k_h, k_w = site.kernel_size
    ranks = choice.ranks
    if choice.chain == "svd":
        return ranks[0] * (site.c_in + site.c_out)
    first = site.c_in * ranks[0] if ranks[0] < site.c_in else 0
    last = site.c_out * ranks[-1] if ranks[-1] < site.c_out else 0
    if choice.chain == "tucker2":
        return first + k_h * k_w * ranks[0] * ranks[1] + last
    return first + k_h * ranks[0] * ranks[1] + k_w * ranks[1] * ranks[2] + last


def chain_beside(kernel: np.ndarray, metric: Metric, choice: Choice) -> Callable[[np.ndarray], np.ndarray]:
    """`beside(values)`: what the chain, refitted to the rest with U (and A) fixed, leaves to the branch."""
    flat = kernel.reshape(len(metric.sigma), -1)

    def leave(reconstruct: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
        return lambda values: flat - reconstruct((flat - values).reshape(kernel.shape)).reshape(flat.shape)

    if choice.chain == "svd":
        following = follow(kernel, metric, choice.ranks[0])
        return lambda values: flat - following(flat - values)
    first = input_basis(kernel, metric)[:, : choice.ranks[0]]
    on_u = regress_on(first, kernel, metric)
    if choice.chain == "tucker2":
        return leave(lambda k: factors_of(on_u.of(k, metric), k.shape, metric, choice.ranks[1]).reconstruct())
    vertical = vertical_basis(on_u, kernel.shape)[:, :, : choice.ranks[1]]
    return leave(
        lambda k: assemble4(
            first, vertical, regress_on_vertical(first, vertical, k, metric), k.shape, metric, choice.ranks[2]
        ).reconstruct()
    )


def pareto(priced: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Candidates that no other matches in weight bytes, file bytes, MACs and bits, which may cost time, while losing no
    more; and "dense", which a choice without loss may match where channels are dead."""
    order = sorted(priced, key=lambda c: (c.predicted_loss, c.cost.weight_bytes, c.cost.file_bytes, c.cost.macs))
    kept: list[Candidate] = []
    costs = np.empty((0, 4))
    for candidate in order:
        few = not candidate.choice.is_int8
        own = np.array([candidate.cost.weight_bytes, candidate.cost.file_bytes, candidate.cost.macs, few])
        if candidate.choice.is_dense or not np.any(np.all(costs <= own, axis=1)):
            kept.append(candidate)
            costs = np.vstack([costs, own])
    return tuple(kept)
