"""How thoroughly one kernel is searched and fitted, by what a product with its metric costs.

Every descent, regression and alternation is some number of products Σ Δ Γ, of d²·c_out + d·c_out² multiplications. A
menu of the first level takes about 6,500 of them, of the last a few dozen, so that no layer of a large network takes
longer than half a minute on one core, and a small one is searched as well as we can.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compiler.decompose.metric import Metric


def spaced(highest: float, lowest: float, count: int) -> tuple[float, ...]:
    """Densities in equal ratios."""
    return tuple(float(d) for d in np.geomspace(highest, lowest, count))


@dataclass(frozen=True, slots=True)
class Effort:
    """The menu: how many ranks and densities are tried, and how many structures beside chains of which shares of the
    dense weights. The descent: the share of groups kept from one cut to the next, and how many conjugate gradient
    steps follow. The fit: how often chain and branch take turns, and how many rounds of exchanges polish a support."""

    input_ranks: int = 14  # r_in values tried for tucker2; every r_out comes with each
    split_ranks: int = 6  # r_in and r_mid values tried for tucker4; every r_out comes with each
    cp_shares: tuple[float, ...] = spaced(0.9, 0.06, 14)  # of the dense weights, in components
    cp_steps: tuple[int, int] = (6, 12)  # of Levenberg-Marquardt as components are added, and in each of them
    cp_last_steps: tuple[int, int] = (24, 24)  # of the fit of a chosen rank
    structures: int = 9  # of those on the menu, the finest first
    densities: tuple[float, ...] = spaced(0.85, 0.02, 18)
    hybrid_densities: tuple[float, ...] = spaced(0.4, 0.03, 8)
    hybrid_structures: int = 3
    hybrid_shares: tuple[float, ...] = (0.05, 0.08, 0.11, 0.15, 0.2, 0.25, 0.32, 0.42)
    cut: float = 0.85
    steps: int = 5
    alternations: int = 5
    exchanges: int = 6


# At most so many multiply-accumulates a product: search and fit so thoroughly.
LEVELS: tuple[tuple[float, Effort], ...] = (
    (6e7, Effort()),
    (
        3e8,
        Effort(
            densities=spaced(0.85, 0.02, 14),
            hybrid_densities=spaced(0.4, 0.03, 7),
            cp_shares=spaced(0.9, 0.06, 10),
            cp_steps=(5, 10),
            cp_last_steps=(16, 16),
            hybrid_structures=2,
            hybrid_shares=(0.06, 0.12, 0.2, 0.32),
            cut=0.75,
            steps=3,
            alternations=3,
            exchanges=4,
        ),
    ),
    (
        2e9,
        Effort(
            input_ranks=10,
            split_ranks=4,
            cp_shares=spaced(0.8, 0.06, 6),
            cp_steps=(4, 8),
            cp_last_steps=(8, 10),
            structures=6,
            densities=spaced(0.8, 0.025, 9),
            hybrid_densities=spaced(0.35, 0.04, 5),
            hybrid_structures=1,
            hybrid_shares=(0.08, 0.2),
            cut=0.65,
            steps=2,
            alternations=2,
            exchanges=2,
        ),
    ),
    (
        2.5e10,
        Effort(
            input_ranks=7,
            split_ranks=3,
            cp_shares=(0.4, 0.18, 0.08),
            cp_steps=(2, 5),
            cp_last_steps=(3, 6),
            structures=3,
            densities=spaced(0.7, 0.04, 5),
            hybrid_densities=(0.3, 0.15, 0.06),
            hybrid_structures=1,
            hybrid_shares=(0.12,),
            cut=0.5,
            steps=2,
            alternations=1,
            exchanges=1,
        ),
    ),
    # Chains alone: beyond this even one descent takes minutes, and the dozen copies of the kernel gigabytes.
    (
        np.inf,
        Effort(
            input_ranks=6,
            split_ranks=0,
            cp_shares=(),
            cp_steps=(2, 5),
            cp_last_steps=(3, 6),
            structures=0,
            densities=(),
            hybrid_structures=0,
            hybrid_shares=(),
        ),
    ),
)


def effort_of(metric: Metric) -> Effort:
    """For a kernel in this metric."""
    return next(effort for most, effort in LEVELS if metric.product_macs <= most)
