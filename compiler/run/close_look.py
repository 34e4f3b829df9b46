"""What one layer became, seen closely: its convolutions, its spectra, what int8 does to it, and why this choice."""

from __future__ import annotations

import numpy as np

from compiler.backend.targets.target import Target
from compiler.datafree.patches import is_wide
from compiler.decompose.factors import ROLES, Factors
from compiler.decompose.metric import Metric, symmetric_roots
from compiler.details import LayerDetail, Part
from compiler.run.as_int8 import as_int8
from compiler.run.cached_menus import Menus
from compiler.run.found import Found
from compiler.run.session import Session
from compiler.solver.fixed_params import UNITS
from compiler.surgery.set_kernels import kernel_of
from compiler.types import Candidate, Choice, ConvSite

LARGEST = 2_000_000  # weights: a spectrum of more takes longer than it is worth
SHOWN = 64  # singular values
CHAIN = (*ROLES, "dense")


def close_look(session: Session, found: Found, offered: Menus | None) -> tuple[LayerDetail, ...]:
    """All sites, in graph order."""
    budget = session.options.budget
    tuned = dict(found.built.realised.gates).get("finetune")
    details = []
    for site, (name, choice) in zip(session.network.inventory.sites, found.built.choices, strict=True):
        kernel, _ = kernel_of(session.network.folded, name)
        narrow = site.weights <= LARGEST and not is_wide(site)
        into, out = spectra(kernel, session.knowledge.metrics[name]) if narrow else ((), ())
        per_tensor = session.target.per_tensor_dense and site.kind == "dense"
        details.append(
            LayerDetail(
                name,
                site.kernel_shape,
                site.strides,
                parts_of(session.target, site, choice),
                into,
                out,
                None if tuned or not choice.is_int8 else int8_snr_db(found.built.realised.fitted[name][0], per_tensor),
                None if offered is None else why(offered[name], choice, budget),
            )
        )
    return tuple(details)


def parts_of(target: Target, site: ConvSite, choice: Choice) -> tuple[Part, ...]:
    """The convolutions that the choice becomes on the target, in the order in which they run."""
    convs, _ = target.emitted(site, choice)
    order = (*ROLES, "gather", "sparse", "scatter")
    rank = {role: index for index, role in enumerate(order)}
    parts = [
        Part("chain" if e.role in CHAIN else "sparse", e.role, e.kernel, target.constant_bytes(e))
        for e in sorted(convs, key=lambda e: rank.get(e.role, 0))
    ]
    return tuple(parts)


def spectra(kernel: np.ndarray, metric: Metric) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Squared singular values of the whitened kernel's two channel unfoldings, as shares of their sum."""
    root, _ = symmetric_roots(metric.channel_covariance(kernel.shape[2]))
    whitened = root @ kernel @ metric.gamma_roots[0]
    along_in = np.moveaxis(whitened, 2, 0).reshape(kernel.shape[2], -1)
    along_out = whitened.reshape(-1, kernel.shape[3]).T
    return shares(along_in @ along_in.T), shares(along_out @ along_out.T)


def shares(gram: np.ndarray) -> tuple[float, ...]:
    """Eigenvalues as shares of their sum, largest first, at most SHOWN of them."""
    values = np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0)
    return tuple(float(f"{v:.3g}") for v in (values / max(float(values.sum()), 1e-30))[:SHOWN])


def int8_snr_db(factors: Factors, per_tensor: bool = False) -> float | None:
    """10·log₁₀ of the kernel's energy over that of its change when each factor becomes int8, a scale an output channel
    (or one a tensor); None where nothing changes."""
    kernel = factors.reconstruct()
    chain = tuple((role, rounded_factor(role, factor, per_tensor)) for role, factor in factors.chain)
    sparse = None if factors.sparse is None else rounded(factors.sparse, per_tensor)
    noise = float(np.sum((Factors(chain, sparse).reconstruct() - kernel) ** 2))
    signal = float(np.sum(kernel**2))
    return None if noise == 0 or signal == 0 else float(10 * np.log10(signal / noise))


def rounded_factor(role: str, factor: np.ndarray, per_tensor: bool) -> np.ndarray:
    """As `rounded`; a depthwise factor (k_h, k_w, r, 1) has a scale for each of its r channels."""
    if role != "depthwise":
        return rounded(factor, per_tensor)
    return rounded(factor.swapaxes(2, 3), per_tensor).swapaxes(2, 3)


def rounded(kernel: np.ndarray, per_tensor: bool) -> np.ndarray:
    """The kernel that its int8 form stands for."""
    int8, scale = as_int8(kernel, per_tensor)
    return int8 * scale


def why(entries: tuple[Candidate, ...], choice: Choice, budget: str) -> str | None:
    """What the neighbours on the layer's own front would have given for it; None where it is not on the menu."""
    unit, name = UNITS[budget], "MACs" if budget == "macs" else "B"
    chosen = next((c for c in entries if c.choice == choice), None)
    if chosen is None:
        return None

    def price(c: Candidate) -> int:
        return getattr(c.cost, unit)

    cheaper = [c for c in entries if price(c) < price(chosen)]
    better = [c for c in entries if price(c) > price(chosen) and c.predicted_loss < chosen.predicted_loss]
    sentences = []
    if cheaper:
        smaller = min(cheaper, key=lambda c: (c.predicted_loss - chosen.predicted_loss) / (price(chosen) - price(c)))
        saved, more = price(chosen) - price(smaller), smaller.predicted_loss - chosen.predicted_loss
        sentences.append(f"{said(smaller.choice)} would save {saved:,} {name} and lose {more:.2g} nats more")
    else:
        sentences.append("nothing smaller is on its menu")
    if better:
        larger = max(better, key=lambda c: (chosen.predicted_loss - c.predicted_loss) / (price(c) - price(chosen)))
        spent, won = price(larger) - price(chosen), chosen.predicted_loss - larger.predicted_loss
        sentences.append(f"{said(larger.choice)} would cost {spent:,} {name} and win {won:.2g} nats back")
    text = "; ".join(sentences)
    return f"{text[0].upper()}{text[1:]}: other layers offered better exchanges."


def said(choice: Choice) -> str:
    """For example "tucker2 8×10 + 24 blocks of 4×4"."""
    if choice.is_one_kernel:
        return "leaving it whole" if choice.is_dense else f"{choice.bits:g} bits a weight"
    parts = [] if choice.chain == "none" else [" ".join([choice.chain, "×".join(map(str, choice.ranks))]).strip()]
    if choice.structure is not None:
        group = {"unstructured": "weights", "filter": "filters", "channel": "channels", "block": "blocks"}
        of = "" if choice.block is None else " of {}×{}".format(*choice.block)
        parts.append(f"{choice.kept:,} {group[choice.structure]}{of}")
    return " + ".join(parts) + ("" if choice.is_int8 else f" in {choice.bits:g} bits")
